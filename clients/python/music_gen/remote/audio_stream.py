"""Stream a clip while a server makes it: AudioStream, AsyncAudioStream.

Own the waiting, and what leaving means; what comes is read by ChunkAssembler, through the connection. The audio is
requested once the task runs (until then it is polled, which shows its queue position), and again when it breaks off
although the task goes on.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing
from typing import Self

import anyio
import httpx

from music_gen.audio import AudioOutput
from music_gen.remote import requests as calls
from music_gen.remote.chunk_assembler import AudioChunk, ChunkAssembler
from music_gen.remote.outcomes import wait_s
from music_gen.remote.polling import OnTask, TaskPolling, completed
from music_gen.remote.requests import Call
from music_gen.remote.retry import RetrySchedule
from music_gen.remote.transport import AsyncConnection, Connection
from music_gen.types import Task

WAITING = frozenset({"queued", "waiting_for_tasks"})
CONFLICT = 409
ROUNDING_S = 0.005


class StreamState:
    """Hold what both kinds of stream share. `task` is the task as it was last polled, None before the first time."""

    def __init__(self, ask: Call[Task], *, own: bool, duration_s: float | None, on_progress: OnTask) -> None:
        """Prepare; `ask` submits or polls the task. `own`: it is cancelled when the stream is left before its end."""
        self.task: Task | None = None
        self._ask = ask
        self._own = own
        self._on_progress = on_progress
        self._assembler = ChunkAssembler(duration_s)
        self._read_bytes = 0

    @property
    def _poll(self) -> Call[Task]:
        return self._ask if self.task is None else calls.get(self.task.id)

    def _see(self, task: Task) -> Task:
        self.task = task
        if self._on_progress is not None:
            self._on_progress(task)
        return task

    def _is_complete(self, task: Task) -> bool:
        """Return whether that was all of the clip: through some proxies a broken connection looks like an end."""
        received_s = self._assembler.stream_s
        if self._assembler.broken is None and (task.duration_s is None or received_s < task.duration_s - ROUNDING_S):
            message = f"the sound of task {task.id} ended after {received_s:.2f} s"
            self._assembler.broken = httpx.RemoteProtocolError(message, request=self._assembler.request)
        return self._assembler.broken is None

    def _only_file_left(self, task: Task) -> bool:
        """Return whether, after a break, the clip is done and its chunks are gone. Raises what the task ended with."""
        if task.ended:
            completed(task)
        broken = self._assembler.broken
        return task.ended and isinstance(broken, httpx.Response) and broken.status_code == CONFLICT

    def _wait_s(self, schedule: RetrySchedule) -> float:
        """Return the wait before the next try.

        Raises the error that the stream broke off with when that would not help.
        """
        assert self._assembler.broken is not None
        return wait_s(schedule, self._assembler.broken)

    def _grew(self) -> bool:
        before, self._read_bytes = self._read_bytes, self._assembler.assembled_bytes
        return self._read_bytes > before

    def _left_early(self) -> Task | None:
        """Return the task that nobody wants any more."""
        return self.task if self._own and self.task is not None and not self.task.ended else None


class AudioStream(StreamState):
    """Iterate it for AudioChunks, then take its `result()`. In a `with`, or closed, it leaves nothing running."""

    def __init__(
        self, connection: Connection, ask: Call[Task], *, own: bool, duration_s: float | None, on_progress: OnTask
    ) -> None:
        super().__init__(ask, own=own, duration_s=duration_s, on_progress=on_progress)
        self._connection = connection
        self._chunks = self._listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[AudioChunk]:
        return self

    def __next__(self) -> AudioChunk:
        """Raises GenerationFailed, TaskCancelled, and what `submit` raises."""
        return next(self._chunks)

    def close(self) -> None:
        """Close the stream; before its end, cancel a task that was submitted for it."""
        self._chunks.close()

    def result(self) -> AudioOutput:
        """Return the finished clip, after the chunks that are left."""
        for _ in self:
            pass
        task = self.task if self.task is not None and self.task.ended else self._connection.send(self._poll)
        return self._connection.send(calls.download(completed(task)))

    def _listen(self) -> Generator[AudioChunk, None, None]:
        try:
            yield from self._until_over()
        finally:
            if task := self._left_early():
                self._connection.withdraw(calls.cancel(task.id))

    def _until_over(self) -> Iterator[AudioChunk]:
        schedule = self._connection.retry_schedule()
        while True:
            task = self._await_begin()
            yield from self._connection.receive(task.id, self._assembler)
            task = self._see(self._connection.send(self._poll))
            if self._is_complete(task):
                if last := self._assembler.end():
                    yield last
                return
            if self._only_file_left(task):
                file = self._connection.send(calls.download(task))
                if last := self._assembler.feed_file(file.data, file.format):
                    yield last
                return
            schedule = self._connection.retry_schedule() if self._grew() else schedule
            time.sleep(self._wait_s(schedule))

    def _await_begin(self) -> Task:
        task = self._see(self._connection.send(self._poll))
        polling = TaskPolling(task, tells=self._on_progress is not None)
        while task.stage in WAITING:
            polled = self._connection.send(polling.ask())
            task = self._see(polled.task)
            if task.stage in WAITING:
                time.sleep(polling.pause_s(polled))
        return task


class AsyncAudioStream(StreamState):
    """Stream as AudioStream does, awaited."""

    def __init__(
        self,
        connection: AsyncConnection,
        ask: Call[Task],
        *,
        own: bool,
        duration_s: float | None,
        on_progress: OnTask,
    ) -> None:
        super().__init__(ask, own=own, duration_s=duration_s, on_progress=on_progress)
        self._connection = connection
        self._chunks = self._listen()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[AudioChunk]:
        return self

    async def __anext__(self) -> AudioChunk:
        return await anext(self._chunks)

    async def close(self) -> None:
        await self._chunks.aclose()

    async def result(self) -> AudioOutput:
        async for _ in self:
            pass
        task = self.task if self.task is not None and self.task.ended else await self._connection.send(self._poll)
        return await self._connection.send(calls.download(completed(task)))

    async def _listen(self) -> AsyncGenerator[AudioChunk, None]:
        try:
            async with aclosing(self._until_over()) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            if task := self._left_early():
                await self._connection.withdraw(calls.cancel(task.id))

    async def _until_over(self) -> AsyncGenerator[AudioChunk, None]:
        schedule = self._connection.retry_schedule()
        while True:
            task = await self._await_begin()
            async with aclosing(self._connection.receive(task.id, self._assembler)) as chunks:
                async for chunk in chunks:
                    yield chunk
            task = self._see(await self._connection.send(self._poll))
            if self._is_complete(task):
                if last := self._assembler.end():
                    yield last
                return
            if self._only_file_left(task):
                file = await self._connection.send(calls.download(task))
                if last := self._assembler.feed_file(file.data, file.format):
                    yield last
                return
            schedule = self._connection.retry_schedule() if self._grew() else schedule
            await anyio.sleep(self._wait_s(schedule))

    async def _await_begin(self) -> Task:
        task = self._see(await self._connection.send(self._poll))
        polling = TaskPolling(task, tells=self._on_progress is not None)
        while task.stage in WAITING:
            polled = await self._connection.send(polling.ask())
            task = self._see(polled.task)
            if task.stage in WAITING:
                await anyio.sleep(polling.pause_s(polled))
        return task
