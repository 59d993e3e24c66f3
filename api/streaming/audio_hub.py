"""Relaying the sound of streamed jobs from Redis to any number of open connections, HTTP and WebSocket alike.

One thread a process asks ten times a second, with one script, how all the jobs that somebody listens to stand: that is
all it reads, so a hundred listeners cost what one costs. Each listener then reads its chunks itself, a few at a time
and only as it takes them: what a slow one has not taken stays in Redis. Knows no HTTP and no file format.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from shared.errors import BrokerUnavailable
from shared.jobs.audio_chunks import START, Chunk, ChunkStore, Head

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
TICK_S = 0.5  # how often a listener is told at least, so that it notices who has hung up
CHUNKS_AT_ONCE = 4
BROKER_RETRY_S = 0.5
BROKER_TRIES = 20

T = TypeVar("T")


class Gone(Exception):
    """The job's record is no longer there."""


class AudioSubscription:
    """One open connection's: the newest that is known of its job."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self._head: Head | None = None
        self._known = self._fresh = False
        self._changed = threading.Condition()

    def put(self, head: Head | None) -> None:
        with self._changed:
            if not self._known or head != self._head:
                self._head, self._known, self._fresh = head, True, True
                self._changed.notify()

    def take(self, timeout_s: float) -> Head | None:
        """What is known, as soon as it is news or after the timeout; None while nothing is. Raises Gone."""
        with self._changed:
            if not self._fresh:
                self._changed.wait(timeout_s)
            self._fresh = False
            if self._known and self._head is None:
                raise Gone
            return self._head


class AudioHub:
    """One per process; its thread lives while somebody listens."""

    def __init__(self, chunks: ChunkStore, stopping: Callable[[], bool] = lambda: False) -> None:
        self._chunks = chunks
        self._stopping = stopping
        self._subscriptions: set[AudioSubscription] = set()
        self._lock = threading.Lock()
        self._looking = False

    @property
    def stopping(self) -> bool:
        """Whether this process is to leave: every connection ends now."""
        return self._stopping()

    def has_all(self, job_id: str) -> bool:
        """Whether all of an ended job's sound is still there. Raises BrokerUnavailable."""
        head = self._chunks.heads([job_id])[job_id]
        if head is None or not head.last[1]:
            return False
        last = self._chunks.read(head.source, (head.last[0], head.last[1] - 1), 1)
        return bool(last) and last[0].kind == "end"

    def listen(self, job_id: str) -> Generator[Head | Chunk, None, None]:
        """How the job stands, at least twice a second, and between that its chunks from the very first on, in order.

        A new attempt's follow those of the one before. Ends after the job's end, once all chunks are told that are
        there, or when this process is to stop. Raises Gone.
        """
        at = START
        with self._open(job_id) as subscription:
            while not self._stopping():
                head = subscription.take(TICK_S)
                if head is None:
                    continue
                yield head
                while at < head.last and (fresh := self._read(head, at)):
                    for chunk in fresh:
                        at = chunk.place
                        yield chunk
                    if self._stopping():
                        return
                if head.status.ended:
                    return

    def _read(self, head: Head, after: tuple[int, int]) -> list[Chunk]:
        """The next few; none once they have expired. Waits while the broker is away."""
        while not self._stopping():
            try:
                return self._chunks.read(head.source, after, CHUNKS_AT_ONCE)
            except BrokerUnavailable:
                time.sleep(BROKER_RETRY_S)
        return []

    @contextmanager
    def _open(self, job_id: str) -> Iterator[AudioSubscription]:
        subscription = AudioSubscription(job_id)
        with self._lock:
            self._subscriptions.add(subscription)
            if not self._looking:
                self._looking = True
                threading.Thread(target=self._look_after_all, name="relay", daemon=True).start()
        try:
            yield subscription
        finally:
            with self._lock:
                self._subscriptions.discard(subscription)

    def _look_after_all(self) -> None:
        while subscriptions := self._open_subscriptions():
            try:
                heads = self._chunks.heads(sorted({subscription.job_id for subscription in subscriptions}))
                for subscription in subscriptions:
                    subscription.put(heads[subscription.job_id])
                time.sleep(LOOK_EVERY_S)
            except BrokerUnavailable:
                time.sleep(BROKER_RETRY_S)  # the connections stay open and go on where they were
            except Exception:
                log.exception("looking after streamed jobs failed; it is tried again")
                time.sleep(BROKER_RETRY_S)

    def _open_subscriptions(self) -> list[AudioSubscription]:
        with self._lock:
            self._looking = bool(self._subscriptions)
            return list(self._subscriptions)


def patiently(do: Callable[[], T]) -> T:
    """Over a short outage of the broker. Raises BrokerUnavailable after a longer one."""
    for _ in range(BROKER_TRIES):
        try:
            return do()
        except BrokerUnavailable:
            time.sleep(BROKER_RETRY_S)
    return do()
