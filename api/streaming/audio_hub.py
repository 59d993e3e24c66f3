"""Publish the chunks of streamed jobs to any number of subscribed connections, HTTP and WebSocket alike.

One thread a process asks ten times a second, with one script, how all the jobs that anybody is subscribed to stand:
that is all it reads, so a hundred connections cost what one costs. Each connection then reads its chunks itself, a few
at a time and only as it takes them: what a slow one has not taken stays in Redis. Knows no HTTP and no file format.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar

from api.streaming.hub import BROKER_RETRY_S, Hub, Subscription
from api.streaming.shutdown import Shutdown
from shared.errors import BrokerUnavailable, Unavailable
from shared.jobs.audio_chunks import START, Chunk, ChunkStore, Head, StreamPosition
from shared.retry import Backoff, retry_until

POLL_EVERY_S = 0.1
TICK_S = 0.5  # how often a connection gets its job's head at least, so that it notices who has hung up
CHUNKS_AT_ONCE = 4
OUTAGE_S = 10.0  # of the broker, that a connection outlives in the middle of a request

T = TypeVar("T")


class Gone(Exception):
    """Say that the job's record is no longer there."""


class AudioSubscription(Subscription[Head]):
    """Keep the newest head of one connection's job."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self._head: Head | None = None
        self._is_known = self._is_new = False

    def put(self, head: Head | None) -> None:
        """Replace the head; None says that the job's record is gone."""
        with self._changed:
            if not self._is_known or head != self._head:
                self._head, self._is_known, self._is_new = head, True, True
                self._changed.notify()

    def _has_news(self) -> bool:
        return self._is_new or self.is_closed

    def _take(self) -> Head:
        """Return the head. Raises Gone, and Unavailable when the job cannot be read."""
        if self.is_closed:
            raise Unavailable(f"what became of task {self.job_id} cannot be read; it is in the server's log")
        self._is_new = False
        if self._head is None:
            raise Gone
        return self._head


class AudioHub(Hub[AudioSubscription, Head]):
    """Publish heads and chunks. One per process."""

    def __init__(self, chunks: ChunkStore, shutdown: Shutdown) -> None:
        super().__init__(shutdown, "audio-hub")
        self._chunks = chunks

    def has_all(self, job_id: str) -> bool:
        """Return whether all of an ended job's sound is still there. Raises BrokerUnavailable."""
        head = self._chunks.heads([job_id])[job_id]
        if head is None or not head.last[1]:
            return False
        last = self._chunks.read(head.source, (head.last[0], head.last[1] - 1), 1)
        return bool(last) and last[0].kind == "end"

    def subscribe(self, job_id: str) -> Generator[Head | Chunk, None, None]:
        """Yield the job's head, at least twice a second, and between that its chunks from the very first on, in order.

        A new attempt's come after those of the one before. Ends after the job's end, once all chunks that are there
        were yielded, or when this process is to stop. Raises Gone, Unavailable.
        """
        at: StreamPosition = START
        head: Head | None = None
        with closing(self._news(AudioSubscription(job_id), silence_s=TICK_S)) as news:
            for newest in news:
                head = newest or head
                if head is None:
                    continue
                yield head
                for chunk in self._chunks_until(head, at):
                    at = chunk.position
                    yield chunk
                if head.status.ended:
                    return

    def _chunks_until(self, head: Head, after: StreamPosition) -> Generator[Chunk, None, None]:
        while after < head.last and (found := self._read_chunks(head, after)):
            for chunk in found:
                after = chunk.position
                yield chunk

    def _read_chunks(self, head: Head, after: StreamPosition) -> list[Chunk]:
        """Return the next few, once the broker responds; none when they have expired or this process is to stop."""
        while not self._shutdown.begun:
            try:
                return self._chunks.read(head.source, after, CHUNKS_AT_ONCE)
            except BrokerUnavailable:
                time.sleep(BROKER_RETRY_S)
        return []

    def _read(self, subscriptions: list[AudioSubscription]) -> None:
        self._read_apart(self._read_heads, subscriptions)
        time.sleep(POLL_EVERY_S)

    def _read_heads(self, subscriptions: list[AudioSubscription]) -> None:
        heads = self._chunks.heads(sorted({subscription.job_id for subscription in subscriptions}))
        for subscription in subscriptions:
            subscription.put(heads[subscription.job_id])


def over_outage(action: Callable[[], T]) -> T:
    """Do it again over a short outage of the broker. Raises BrokerUnavailable after a longer one."""
    deadline = time.monotonic() + OUTAGE_S
    return retry_until(deadline, action, errors=BrokerUnavailable, backoff=Backoff(BROKER_RETRY_S))
