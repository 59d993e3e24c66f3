"""Cache a value for a while: what every request needs and what changes rarely."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TtlCache(Generic[T]):
    """Cache one value: `get()` calls `read` when it is older than `max_age_s`; errors are not cached."""

    def __init__(self, read: Callable[[], T], max_age_s: float) -> None:
        self._read = read
        self._max_age_s = max_age_s
        self._cached: tuple[float, T] | None = None

    def get(self, *, fresh: bool = False) -> T:
        """Return the value; `fresh` reads now, whatever is cached: for a response that would otherwise be a refusal."""
        cached = self._cached
        if fresh or cached is None or time.monotonic() - cached[0] > self._max_age_s:
            cached = self._cached = (time.monotonic(), self._read())
        return cached[1]
