"""Serve any number of open connections with one reader of Redis a process: what EventHub and AudioHub have in common.

Each connection has a Subscription, which the reader fills and the connection takes from. The reader's thread lives
while anybody is subscribed. It outlives failures of the broker, records that cannot be read end their own job's
connections alone, and every connection sees to it, twice a second, that there is a reader. Knows no HTTP, and not what
is read.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from api.streaming.shutdown import Shutdown
from shared.background_thread import BackgroundThread
from shared.errors import BrokerUnavailable

log = logging.getLogger(__name__)

BROKER_RETRY_S = 0.5
STOP_CHECK_S = 0.5  # how soon a quiet connection notices that it is to end, or that the reader is gone

News = TypeVar("News")


class Subscription(ABC, Generic[News]):
    """Buffer what one open connection has not taken yet. Whoever adds to it does so under `_changed`, and notifies."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.is_closed = False
        self._changed = threading.Condition()

    def take(self, timeout_s: float) -> News | None:
        """Return what is new, as soon as there is anything; None after the timeout."""
        with self._changed:
            if not self._has_news():
                self._changed.wait(timeout_s)
            return self._take() if self._has_news() else None

    def close(self) -> None:
        """End the connection, as news: its job cannot be read. Nothing more is read for it."""
        with self._changed:
            self.is_closed = True
            self._changed.notify()

    @abstractmethod
    def _has_news(self) -> bool:
        """Return whether there is anything to take; that it `is_closed`, too, is such."""

    @abstractmethod
    def _take(self) -> News: ...


S = TypeVar("S", bound=Subscription[Any])


class Hub(ABC, Generic[S, News]):
    """Read for all subscriptions to one kind of stream. One per process."""

    def __init__(self, shutdown: Shutdown, thread_name: str) -> None:
        self._shutdown = shutdown
        self._subscriptions: set[S] = set()
        self._reader = BackgroundThread(thread_name, self._read_all, lambda: bool(self._subscriptions))

    @abstractmethod
    def _read(self, subscriptions: list[S]) -> None:
        """Fill the subscriptions once, and pause before the next time. Raises BrokerUnavailable."""

    def _news(
        self,
        subscription: S,
        *,
        silence_s: float = math.inf,
        timeout_s: float = math.inf,
        is_left: Callable[[], bool] = lambda: False,
    ) -> Generator[News | None, None, None]:
        """Yield what comes for the subscription, and None after each `silence_s` without anything.

        Ends after `timeout_s`, once the connection `is_left` or its key revoked, and when this process is to stop.
        """
        last_news_at = time.monotonic()
        give_up_at = last_news_at + timeout_s
        with self._subscribed(subscription):
            while not (self._shutdown.begun or is_left()) and (left_s := give_up_at - time.monotonic()) > 0:
                self._reader.ensure()
                news: News | None = subscription.take(min(STOP_CHECK_S, silence_s, left_s))
                if news is not None or time.monotonic() - last_news_at >= silence_s:
                    last_news_at = time.monotonic()
                    yield news

    @contextmanager
    def _subscribed(self, subscription: S) -> Iterator[None]:
        """Take no lock: the garbage collector may end this anywhere, the reader's own thread under a lock included."""
        self._subscriptions.add(subscription)
        try:
            yield
        finally:
            self._subscriptions.discard(subscription)

    def _read_all(self) -> None:
        try:
            self._read([each for each in self._subscriptions.copy() if not each.is_closed])
        except BrokerUnavailable:
            time.sleep(BROKER_RETRY_S)  # the connections stay open and go on where they were

    def _read_apart(self, read: Callable[[list[S]], None], subscriptions: list[S]) -> None:
        """Read for all of them; where that fails, for each half apart, and so on down to the job that cannot be read.

        Its subscriptions are closed, if it fails once more: no other job's news are kept back by it. Raises
        BrokerUnavailable.
        """
        if _can_read(read, subscriptions):
            return
        job_ids = sorted({each.job_id for each in subscriptions})
        if len(job_ids) > 1:
            first = set(job_ids[: len(job_ids) // 2])
            self._read_apart(read, [each for each in subscriptions if each.job_id in first])
            self._read_apart(read, [each for each in subscriptions if each.job_id not in first])
        elif not _can_read(read, subscriptions):
            log.error("job %s cannot be read: its streams end", *job_ids)
            for subscription in subscriptions:
                subscription.close()


def _can_read(read: Callable[[list[S]], None], subscriptions: list[S]) -> bool:
    """Read, and return whether that went well. Raises BrokerUnavailable."""
    try:
        read(subscriptions)
    except BrokerUnavailable:
        raise
    except Exception:
        log.exception("reading for %d streams failed", len(subscriptions))
        return False
    return True
