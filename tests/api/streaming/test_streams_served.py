"""Event streams as they are served in earnest: gunicorn with two gevent processes over a broker that can be killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from bench import load
from shared.broker.connection import connect
from shared.jobs.job import Fingerprint, Result, Stage
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from stack.broker import EmbeddedBroker
from tests.api.served import Served, serve
from tests.api.sse import Stream, parse
from tests.submitting import submit_job

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("event streams, served")]

STREAMS = 200
RESULT = Result("results/a.wav", "audio/wav", 1, "0" * 64, 2.0, 32000, 1, 1.0, Fingerprint("d", "e", "fp32", "cpu"))


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path_factory.mktemp("streams")) as broker:
        yield broker


@pytest.fixture(scope="module")
def served_settings(own_broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("gunicorn")
    return Settings(_env_file=None, redis_url=own_broker.url, local_storage_path=folder / "audio")


@pytest.fixture(scope="module")
def served(served_settings: Settings) -> Iterator[Served]:
    # ten seconds: two hundred requests at once, on a machine that may have other work
    environment = {"SERVED_MODELS": "tiny", "REDIS_TIMEOUT_S": "10", "WEB_CONCURRENCY": "2"}
    with serve(served_settings.local_storage_path.parent, served_settings, **environment) as api:
        yield api


@pytest.fixture(scope="module")
def port(served: Served) -> int:
    return served.port


@pytest.fixture
def played_store(served: Served, served_settings: Settings) -> JobStore:
    return JobStore(connect(served_settings), served_settings)


@pytest.fixture
def submit(played_store: JobStore) -> Callable[[], str]:
    request = MusicRequest.model_validate({"prompt": "calm piano", "model": "tiny"})
    return lambda: submit_job(played_store, request, "tiny", account="local", source="tasks").id


def play(store: JobStore) -> None:
    """One job, as a worker would make it."""
    job = store.claim("tiny", "w1")
    assert job is not None
    store.renew(job, Stage.RUNNING, 1, 2)
    store.complete(job, RESULT)


def test_two_hundred_open_streams_share_few_connections_and_slow_nobody(
    submit: Callable[[], str], played_store: JobStore, port: int, own_broker: EmbeddedBroker
) -> None:
    tasks = [submit() for _ in range(20)]

    def poll() -> float:
        ask = load.get(f"/tasks/{tasks[-1]}")
        return load.run(port, lambda _: ask, connections=1, expect=200, count=60).percentile_ms(50)

    async def follow() -> tuple[float, int, list[list[str]]]:
        streams = await asyncio.gather(*(Stream.open(port, tasks[n % 20]) for n in range(STREAMS)))
        await asyncio.sleep(1.0)
        beside = await asyncio.to_thread(poll)
        connections = len(redis.Redis.from_url(own_broker.url).client_list())
        endings = asyncio.gather(*(stream.told() for stream in streams))
        for _ in tasks:
            await asyncio.to_thread(play, played_store)
        told = await asyncio.wait_for(endings, 20)
        return beside, connections, [[event.name for event in each if event.id] for each in told]

    alone = poll()
    beside, connections, told = asyncio.run(follow())
    assert told == [["queued", "started", "progress", "completed"]] * STREAMS
    assert connections < 80
    assert beside < 50 + 5 * alone
    print(f"poll p50 {alone:.1f} ms alone, {beside:.1f} ms beside {STREAMS} streams, {connections} connections")


def test_a_stream_outlives_the_broker(
    submit: Callable[[], str], played_store: JobStore, port: int, own_broker: EmbeddedBroker
) -> None:
    async def follow() -> list[str]:
        task = submit()
        stream = await Stream.open(port, task)
        names = [told.name for block in await stream.blocks() if (told := parse(block))]
        own_broker.kill()
        await asyncio.sleep(1.5)
        own_broker.start()
        await asyncio.to_thread(play, played_store)
        told = await asyncio.wait_for(stream.told(), 20)
        return names + [event.name for event in told if event.id]

    assert asyncio.run(follow()) == ["queued", "started", "progress", "completed"]


def test_open_streams_end_at_once_when_the_api_is_stopped(submit: Callable[[], str], served: Served) -> None:
    async def stop() -> tuple[bool, float]:
        task = submit()
        streams = [await Stream.open(served.port, task) for _ in range(20)]
        served.program.request_stop()
        since = time.monotonic()
        await asyncio.wait_for(asyncio.gather(*(stream.told() for stream in streams)), 15)
        closed = await asyncio.gather(*(stream.is_closed() for stream in streams))
        while served.program.is_running():
            await asyncio.sleep(0.05)
        return all(closed), time.monotonic() - since

    closed, took_s = asyncio.run(stop())
    assert closed
    assert took_s < 25  # of a grace of 30; 3 s on a quiet machine
