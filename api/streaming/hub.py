"""Serve any number of open connections with one reader of Redis a process: what EventHub and AudioHub have in common.

Each connection has a Subscription, which the reader fills and the connection takes from. The reader's thread lives
while anybody is subscribed, and outlives failures of the broker. Knows no HTTP, and not what is read.
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
from shared.errors import BrokerUnavailable

log = logging.getLogger(__name__)

BROKER_RETRY_S = 0.5
STOP_CHECK_S = 0.5  # how soon a quiet connection notices that it is to end

News = TypeVar("News")


class Subscription(ABC, Generic[News]):
    """Buffer what one open connection has not taken yet. Whoever adds to it does so under `_changed`, and notifies."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self._changed = threading.Condition()

    def take(self, timeout_s: float) -> News | None:
        """Return what is new, as soon as there is anything; None after the timeout."""
        with self._changed:
            if not self._has_news():
                self._changed.wait(timeout_s)
            return self._take() if self._has_news() else None

    @abstractmethod
    def _has_news(self) -> bool: ...

    @abstractmethod
    def _take(self) -> News: ...


S = TypeVar("S", bound=Subscription[Any])


class Hub(ABC, Generic[S, News]):
    """Read for all subscriptions to one kind of stream. One per process."""

    def __init__(self, shutdown: Shutdown, thread_name: str) -> None:
        self._shutdown = shutdown
        self._thread_name = thread_name
        self._subscriptions: set[S] = set()
        self._lock = threading.Lock()
        self._reading = False

    @abstractmethod
    def _read(self, subscriptions: list[S]) -> None:
        """Fill the subscriptions once, and pause before the next time. Raises BrokerUnavailable."""

    @abstractmethod
    def _failed(self, subscriptions: list[S]) -> None:
        """Decide what becomes of the subscriptions after a failure that nobody foresaw; reading goes on."""

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
                news: News | None = subscription.take(min(STOP_CHECK_S, silence_s, left_s))
                if news is not None or time.monotonic() - last_news_at >= silence_s:
                    last_news_at = time.monotonic()
                    yield news

    @contextmanager
    def _subscribed(self, subscription: S) -> Iterator[None]:
        with self._lock:
            self._subscriptions.add(subscription)
            if not self._reading:
                self._reading = True
                threading.Thread(target=self._read_all, name=self._thread_name, daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._subscriptions.discard(subscription)

    def _read_all(self) -> None:
        while subscriptions := self._open_subscriptions():
            try:
                self._read(subscriptions)
            except BrokerUnavailable:
                time.sleep(BROKER_RETRY_S)  # the connections stay open and go on where they were
            except Exception:
                log.exception("the reader of %s failed; it is tried again", self._thread_name)
                self._failed(subscriptions)
                time.sleep(BROKER_RETRY_S)

    def _open_subscriptions(self) -> list[S]:
        """Return those that there are; after none, the next one starts a thread of its own."""
        with self._lock:
            self._reading = bool(self._subscriptions)
            return list(self._subscriptions)
