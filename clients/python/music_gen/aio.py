"""AsyncAPIClient: APIClient (client.py), awaited: method by method the same, which a test holds."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self, TypeVar, Unpack

import anyio
import httpx

from music_gen import calls
from music_gen.answers import Batch, Event, Task, id_of
from music_gen.audio import AudioOutput
from music_gen.calls import Call, Fields, Melody
from music_gen.connection import BASE_URL, RETRY_FOR_S, AsyncConnection
from music_gen.errors import MusicGenError, StillRunning
from music_gen.waiting import POLL_S, all_completed, completed, next_poll_s

Seen = TypeVar("Seen", Task, Batch)
GOODBYE_S = 5.0


class AsyncAPIClient:
    """Every call is tried again for `retry_for_s` while the server is away or asks to wait."""

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str = BASE_URL,
        *,
        retry_for_s: float = RETRY_FOR_S,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """`http`: a client of your own, for proxies, certificates or timeouts; it is not closed here."""
        self._connection = AsyncConnection(api_key, base_url, retry_for_s, http)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._connection.close()

    # music at once

    async def generate(
        self,
        prompt: str = "",
        duration: float | None = None,
        *,
        melody: Melody | None = None,
        on_progress: Callable[[Task], None] | None = None,
        patience_s: float | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[Fields],
    ) -> AudioOutput:
        """Submit, wait, fetch. Cancelling this call cancels the task.

        Raises GenerationFailed, TaskCancelled, StillRunning after `patience_s`, and what `submit` raises.
        """
        task = await self.submit(prompt, duration, melody=melody, idempotency_key=idempotency_key, **fields)
        try:
            done = await self.wait(task, on_progress=on_progress, patience_s=patience_s)
        except anyio.get_cancelled_exc_class():
            await self._withdraw(calls.cancel(task.id))
            raise
        return await self.download(done)

    async def generate_batch(
        self,
        prompts: Sequence[str],
        duration: float | None = None,
        *,
        patience_s: float | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[Fields],
    ) -> list[AudioOutput]:
        """A clip for each prompt, in their order. Raises BatchFailed, whose `batch` has those that were made."""
        requests = [calls.wish(prompt, duration, fields) for prompt in prompts]
        batch = await self.submit_batch(requests, idempotency_key=idempotency_key)
        try:
            done = await self.wait_batch(batch, patience_s=patience_s)
        except anyio.get_cancelled_exc_class():
            await self._withdraw(calls.cancel_batch(batch.id))
            raise
        return [await self.download(task) for task in all_completed(done)]

    # one step at a time

    async def submit(
        self,
        prompt: str = "",
        duration: float | None = None,
        *,
        melody: Melody | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[Fields],
    ) -> Task:
        """Queue a clip. Raises InvalidRequest, Unauthorized, RateLimited, QueueFull, Unavailable, ConnectionFailed."""
        return await self._connection.send(calls.submit(calls.wish(prompt, duration, fields), melody, idempotency_key))

    async def submit_variations(
        self,
        prompt: str = "",
        duration: float | None = None,
        *,
        count: int,
        melody: Melody | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[Fields],
    ) -> Batch:
        """The same, 2 to 8 times under consecutive seeds."""
        asked = calls.wish(prompt, duration, fields)
        return await self._connection.send(calls.submit_variations(asked, count, melody, idempotency_key))

    async def submit_batch(self, requests: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None) -> Batch:
        """Up to 100 requests (`{"prompt": ..., "duration": ..., ...}`), all of them or none."""
        return await self._connection.send(calls.submit_batch(requests, idempotency_key))

    async def get(self, task: Task | str) -> Task:
        return await self._connection.send(calls.get(id_of(task)))

    async def get_batch(self, batch: Batch | str) -> Batch:
        return await self._connection.send(calls.get_batch(id_of(batch)))

    async def recent(self, limit: int = 20, offset: int = 0) -> list[Task]:
        """The newest first."""
        return await self._connection.send(calls.recent(limit, offset))

    async def wait(
        self,
        task: Task | str,
        *,
        on_progress: Callable[[Task], None] | None = None,
        patience_s: float | None = None,
    ) -> Task:
        """The task once it is completed. Raises GenerationFailed, TaskCancelled, StillRunning."""
        return completed(
            await self._until_ended(lambda: self.get(task), f"task {id_of(task)}", on_progress, patience_s)
        )

    async def wait_batch(
        self,
        batch: Batch | str,
        *,
        on_progress: Callable[[Batch], None] | None = None,
        patience_s: float | None = None,
    ) -> Batch:
        """The batch once all of it has ended, however it did. Raises StillRunning."""
        return await self._until_ended(lambda: self.get_batch(batch), f"batch {id_of(batch)}", on_progress, patience_s)

    def events(self, task: Task | str, *, after: str | None = None) -> AsyncIterator[Event]:
        """Its life as it happens, until its end; a stream that breaks off is taken up where it was.

        `after`: the id of the last event heard.
        """
        return self._connection.events(id_of(task), after)

    async def download(self, task: Task | str) -> AudioOutput:
        """The audio of a completed task. Raises GenerationFailed or TaskCancelled for one that has none."""
        whole = task if isinstance(task, Task) and task.ended else await self.get(task)
        return await self._connection.send(calls.download(completed(whole)))

    async def cancel(self, task: Task | str) -> Task:
        return await self._connection.send(calls.cancel(id_of(task)))

    async def cancel_batch(self, batch: Batch | str) -> Batch:
        return await self._connection.send(calls.cancel_batch(id_of(batch)))

    async def purge(self, task: Task | str) -> None:
        """Cancel it, and remove all that is kept of it."""
        await self._connection.send(calls.purge(id_of(task)))

    async def models(self) -> list[dict[str, Any]]:
        return list((await self._connection.send(calls.look_up("/models")))["models"])

    async def usage(self) -> dict[str, Any]:
        """The limits of this key's account, and what is used of them."""
        return await self._connection.send(calls.look_up("/usage"))

    async def health(self) -> dict[str, Any]:
        return await self._connection.send(calls.look_up("/health"))

    # waiting and leaving

    async def _withdraw(self, call: Call[Any]) -> None:
        """Once, and without a word when it fails: the caller is leaving."""
        with suppress(MusicGenError), anyio.move_on_after(GOODBYE_S, shield=True):
            await self._connection.send(call, retry_for_s=0)

    async def _until_ended(
        self,
        look: Callable[[], Awaitable[Seen]],
        what: str,
        on_progress: Callable[[Seen], None] | None,
        patience_s: float | None,
    ) -> Seen:
        since, poll_s = time.monotonic(), POLL_S
        while True:
            seen = await look()
            if on_progress is not None:
                on_progress(seen)
            if seen.ended:
                return seen
            if patience_s is not None and time.monotonic() + poll_s > since + patience_s:
                raise StillRunning(what, patience_s)
            await anyio.sleep(poll_s)
            poll_s = next_poll_s(poll_s)
