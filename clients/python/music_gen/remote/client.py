"""Call an Ostinato server from Python. Owns the waiting; what is sent and read is in `requests`.

`AsyncAPIClient` (async_client.py) is the same, awaited.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self, Unpack

import httpx

from music_gen.audio import AudioOutput
from music_gen.params import sent_fields
from music_gen.remote import requests as calls
from music_gen.remote.audio_stream import AudioStream
from music_gen.remote.keeping import KeepingCalls
from music_gen.remote.multi_instrument import MultiInstrumentCalls
from music_gen.remote.polling import OnTask, Polling, TaskPolling, all_completed, completed
from music_gen.remote.transport import BASE_URL, RETRY_FOR_S, Connection
from music_gen.request_fields import Asked, Fields
from music_gen.tracks import Clips
from music_gen.types import Batch, Event, Task, id_of


class APIClient(MultiInstrumentCalls, KeepingCalls):
    """Call the API, from any thread.

    Each call is tried again for `retry_for_s` while the server is away or asks to wait.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str = BASE_URL,
        *,
        retry_for_s: float = RETRY_FOR_S,
        http: httpx.Client | None = None,
    ) -> None:
        """Connect lazily.

        `http`: a client of your own, for proxies, certificates or timeouts; it is not closed here.
        """
        self._connection = Connection(api_key, base_url, retry_for_s, http)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    # music at once

    def generate(
        self,
        prompt: str | None = None,
        duration: float | None = None,
        *,
        on_progress: OnTask = None,
        patience_s: float | None = None,
        **asked: Unpack[Asked],
    ) -> AudioOutput:
        """Submit, wait, fetch. A call that is broken off (Ctrl-C) cancels the task.

        Raises GenerationFailed, TaskCancelled, StillRunning after `patience_s`, and what `submit` raises.
        """
        task = self.submit(prompt, duration, **asked)
        with self._connection.withdrawing(calls.cancel(task.id)):
            done = self.wait(task, on_progress=on_progress, patience_s=patience_s)
        return self.download(done)

    def generate_batch(
        self,
        prompts: Sequence[str],
        duration: float | None = None,
        *,
        patience_s: float | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[Fields],
    ) -> Clips:
        """Make a clip for each prompt, in their order. Raises BatchFailed, whose `batch` has those that were made."""
        requests = [sent_fields(prompt, duration, fields) for prompt in prompts]
        batch = self.submit_batch(requests, idempotency_key=idempotency_key)
        with self._connection.withdrawing(calls.cancel_batch(batch.id)):
            done = self.wait_batch(batch, patience_s=patience_s)
        return Clips(self.download(task) for task in all_completed(done))

    def stream(
        self,
        prompt: str | None = None,
        duration: float | None = None,
        *,
        on_progress: OnTask = None,
        **asked: Unpack[Asked],
    ) -> AudioStream:
        """Stream a clip while it is made. It is submitted when the stream is first asked for a chunk.

        Leaving the stream before its end cancels the task.
        """
        ask = calls.submit(prompt, duration, {**asked, "stream": True})
        return AudioStream(self._connection, ask, own=True, duration_s=duration, on_progress=on_progress)

    def listen(self, task: Task | str, *, duration: float | None = None, on_progress: OnTask = None) -> AudioStream:
        """Stream a task that was submitted with `stream=True`. It goes on when this stream is left.

        `duration`: its seconds, for the chunks to tell their progress.
        """
        ask = calls.get(id_of(task))
        return AudioStream(self._connection, ask, own=False, duration_s=duration, on_progress=on_progress)

    # one step at a time

    def submit(self, prompt: str | None = None, duration: float | None = None, **asked: Unpack[Asked]) -> Task:
        """Queue a clip. Raises InvalidRequest, Unauthorized, RateLimited, QueueFull, Unavailable, ConnectionFailed."""
        return self._connection.send(calls.submit(prompt, duration, asked))

    def submit_variations(
        self, prompt: str | None = None, duration: float | None = None, *, count: int, **asked: Unpack[Asked]
    ) -> Batch:
        """Submit one request 2 to 8 times under consecutive seeds."""
        return self._connection.send(calls.submit_variations(prompt, duration, asked, count))

    def submit_batch(self, requests: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None) -> Batch:
        """Submit up to 100 requests (`{"prompt": ..., "duration": ..., ...}`), all of them or none."""
        return self._connection.send(calls.submit_batch(requests, idempotency_key))

    def get(self, task: Task | str) -> Task:
        return self._connection.send(calls.get(id_of(task)))

    def get_batch(self, batch: Batch | str) -> Batch:
        return self._connection.send(calls.get_batch(id_of(batch)))

    def recent(self, limit: int = 20, offset: int = 0, *, q: str | None = None, favourite: bool = False) -> list[Task]:
        """List the tasks, the newest first: all, those whose title and prompt have the words of `q`, or favourites."""
        return self._connection.send(calls.recent(limit, offset, q, favourite))

    def wait(self, task: Task | str, *, on_progress: OnTask = None, patience_s: float | None = None) -> Task:
        """Wait until the task is completed. Raises GenerationFailed, TaskCancelled, StillRunning."""
        polling = TaskPolling(task, patience_s, tells=on_progress is not None)
        while True:
            polled = self._connection.send(polling.ask())
            if on_progress is not None:
                on_progress(polled.task)
            if polled.task.ended:
                return completed(polled.task)
            time.sleep(polling.pause_s(polled))

    def wait_batch(
        self,
        batch: Batch | str,
        *,
        on_progress: Callable[[Batch], None] | None = None,
        patience_s: float | None = None,
    ) -> Batch:
        """Wait until all of the batch has ended, however it did. Raises StillRunning."""
        polling = Polling(f"batch {id_of(batch)}", patience_s)
        while True:
            seen = self.get_batch(batch)
            if on_progress is not None:
                on_progress(seen)
            if seen.ended:
                return seen
            time.sleep(polling.wait_s())

    def events(self, task: Task | str, *, after: str | None = None) -> Iterator[Event]:
        """Yield a task's events until its end; a stream that breaks off is taken up where it was.

        `after`: the id of the last event heard.
        """
        return self._connection.events(id_of(task), after)

    def download(self, task: Task | str, format: str | None = None) -> AudioOutput:
        """Download a completed task's audio; with `format` (wav, mp3, flac, ogg, opus, m4a, aac), converted to that.

        Raises GenerationFailed or TaskCancelled for one that has none.
        """
        finished = task if isinstance(task, Task) and task.ended else self.get(task)
        return self._connection.send(calls.download(completed(finished), format))

    def cancel(self, task: Task | str) -> Task:
        return self._connection.send(calls.cancel(id_of(task)))

    def cancel_batch(self, batch: Batch | str) -> Batch:
        return self._connection.send(calls.cancel_batch(id_of(batch)))

    def purge(self, task: Task | str) -> None:
        """Cancel it, and remove all that is kept of it."""
        self._connection.send(calls.purge(id_of(task)))

    def models(self) -> list[dict[str, Any]]:
        return list(self._connection.send(calls.get_json("/models"))["models"])

    def usage(self) -> dict[str, Any]:
        """Return the limits of this key's account, and what is used of them."""
        return self._connection.send(calls.get_json("/usage"))

    def health(self) -> dict[str, Any]:
        return self._connection.send(calls.get_json("/health"))
