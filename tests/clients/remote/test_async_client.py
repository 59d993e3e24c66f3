"""Test AsyncAPIClient: the same surface as the plain one, many at once, and what cancelling does."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from music_gen import APIClient, AsyncAPIClient, errors

from tests.clients.conftest import SLOW, Live
from tests.clients.proxy import Fault, proxy_before

pytestmark = pytest.mark.xdist_group("clients")
T = TypeVar("T")


def run(live: Live, use: Callable[[AsyncAPIClient], Awaitable[T]], url: str | None = None) -> T:
    async def body() -> T:
        async with AsyncAPIClient(live.key, url or live.url) as client:
            return await use(client)

    return asyncio.run(body())


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    def surface(kind: type) -> dict[str, list[str]]:
        methods = inspect.getmembers(kind, inspect.isfunction)
        return {name: [*inspect.signature(m).parameters] for name, m in methods if not name.startswith("_")}

    assert surface(APIClient) == surface(AsyncAPIClient)
    assert len(surface(APIClient)) > 15


def test_many_clips_can_be_awaited_at_once(live: Live) -> None:
    async def use(client: AsyncAPIClient) -> list[str]:
        clips = await asyncio.gather(*(client.generate(f"piano {n}", 1) for n in range(5)))
        return [clip.prompt for clip in clips]

    assert run(live, use) == [f"piano {n}" for n in range(5)]


def test_events_batches_and_errors_are_those_of_the_plain_client(live: Live) -> None:
    async def use(client: AsyncAPIClient) -> tuple[list[str], list[str]]:
        with pytest.raises(errors.BatchFailed):
            await client.generate_batch(["fine", "please fail"], 1)
        batch = await client.wait_batch(await client.submit_variations("brass", 1, count=2, seed=1))
        names = [event.name async for event in client.events(batch.tasks[0]) if event.id]
        assert (await client.models())[0]["name"]
        return names, [task.status for task in batch.tasks]

    names, statuses = run(live, use)
    assert names == ["queued", "started", "progress", "progress", "completed"]
    assert statuses == ["completed", "completed"]


def test_lost_answers_and_cut_streams_are_survived(live: Live) -> None:
    async def use(client: AsyncAPIClient) -> list[str]:
        task = await client.submit("calm piano", 1)
        await client.wait(task)
        proxy.faults.append(Fault(cut_after=2))
        return [event.name async for event in client.events(task) if event.id]

    with proxy_before(live.url) as proxy:
        proxy.faults.append(Fault(lose=True))
        assert run(live, use, proxy.url) == ["queued", "started", "progress", "progress", "completed"]


def test_cancelling_the_call_cancels_the_task(live: Live) -> None:
    async def use(client: AsyncAPIClient) -> str:
        seen = []
        making = asyncio.create_task(client.generate(SLOW, on_progress=seen.append))
        while not seen:
            await asyncio.sleep(0.02)
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making
        return (await client.get(seen[0])).status

    assert run(live, use) == "cancelled"
