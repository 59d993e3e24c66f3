"""Combine reads: whoever asks while a read is under way is answered, with all others, by the one that follows it.

No answer is older than its question: a key that is asked for during a read waits for the next. So the source is read
by one caller at a time, over one connection, whatever the number of callers.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

KEYS_AT_MOST = 100  # of one read: others of the source's users wait for it


class _Request(Generic[K, V]):
    """Hold one caller's key, and what became of it."""

    def __init__(self, key: K) -> None:
        self.key = key
        self.settled = False
        self.error: Exception | None = None
        self.value: V
        self._woken = threading.Event()

    @property
    def woken(self) -> bool:
        return self._woken.is_set()

    def wait(self) -> None:
        """Wait until it is settled, or it is this caller's turn to read."""
        self._woken.wait()

    def wake(self) -> None:
        self._woken.set()

    def resolve(self, value: V) -> None:
        self.value, self.settled = value, True
        self.wake()

    def fail(self, error: Exception) -> None:
        self.error, self.settled = error, True
        self.wake()


class ReadCombiner(Generic[K, V]):
    """Group the keys of concurrent `get` calls into calls of `read`, which never overlap."""

    def __init__(self, read: Callable[[Sequence[K]], Mapping[K, V]]) -> None:
        """Combine calls of `read`, which must give a value for each key."""
        self._read = read
        self._lock = threading.Lock()
        self._pending: deque[_Request[K, V]] = deque()
        self._reading = False

    def get(self, key: K) -> V:
        """Return the value as it is now. Raises what `read` raises."""
        request: _Request[K, V] = _Request(key)
        with self._lock:
            self._pending.append(request)
            reads, self._reading = not self._reading, True
        if not reads:
            self._wait(request)
        if not request.settled:
            self._read_pending(request)
        if request.error is not None:
            raise request.error
        return request.value

    def _wait(self, request: _Request[K, V]) -> None:
        try:
            request.wait()
        except BaseException:  # its greenlet is killed: if it was to read, another must
            with self._lock:
                self._withdraw(request)
                if request.woken and not request.settled:
                    self._hand_over()
            raise

    def _read_pending(self, request: _Request[K, V]) -> None:
        """Read for all that have asked, of whom this caller's request is one."""
        batch: list[_Request[K, V]] = []
        try:
            self._let_others_join()
            with self._lock:
                batch += [self._pending.popleft() for _ in range(min(len(self._pending), KEYS_AT_MOST))]
            values = self._read(list(dict.fromkeys(each.key for each in batch)))
            for each in batch:
                each.resolve(values[each.key])
        except Exception as error:
            # those that came meanwhile too: each would wait as long for the same failure, one after the other
            with self._lock:
                batch += self._pending
                self._pending.clear()
            for each in batch:
                each.fail(error)
        except BaseException:  # this caller's greenlet is killed, and the others still want theirs
            with self._lock:
                self._pending.extendleft(reversed(batch))
                self._withdraw(request)
            raise
        finally:
            with self._lock:
                self._hand_over()

    def _withdraw(self, request: _Request[K, V]) -> None:
        with suppress(ValueError):
            self._pending.remove(request)

    def _let_others_join(self) -> None:
        """Let what else has arrived be handled first, as long as that asks too. Only under gevent is there such."""
        known = 0
        while known < len(self._pending) < KEYS_AT_MOST:
            known = len(self._pending)
            time.sleep(0)

    def _hand_over(self) -> None:
        """Let the first of those that came meanwhile read for them all. The lock is held."""
        self._reading = bool(self._pending)
        if self._pending:
            self._pending[0].wake()
