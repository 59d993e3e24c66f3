"""Try something again until it works or its time is up: the one loop of that kind, for whatever waits for a service."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
Errors = type[Exception] | tuple[type[Exception], ...]


@dataclass(frozen=True)
class Backoff:
    """Yield the seconds between two tries: `first_s`, times `factor` after each, at most `most_s`, all within `jitter`.

    A jitter of 0.2 makes them up to a fifth longer or shorter, so that many who wait do not come back in step.
    """

    first_s: float
    most_s: float = math.inf
    factor: float = 1.0
    jitter: float = 0.0

    def pauses(self) -> Iterator[float]:
        pause_s = self.first_s
        while True:
            yield pause_s * random.uniform(1 - self.jitter, 1 + self.jitter) if self.jitter else pause_s
            pause_s = min(self.most_s, pause_s * self.factor)


def retry_until(
    deadline: float,
    action: Callable[[], T],
    *,
    backoff: Backoff,
    errors: Errors = (),
    is_done: Callable[[T], bool] = lambda result: True,
    before_retry: Callable[[Exception | None, float], None] = lambda error, left_s: None,
) -> T:
    """Return the first result that `is_done`, or at the deadline (of the monotonic clock) the last one there was.

    Errors of these kinds are retried too; at the deadline they are raised. `before_retry` is told the error, if there
    was one, and the seconds that are left.
    """
    for pause_s in backoff.pauses():
        error: Exception | None = None
        try:
            result = action()
            if is_done(result) or time.monotonic() >= deadline:
                return result
        except errors as raised:
            error = raised
            if time.monotonic() >= deadline:
                raise
        left_s = max(0.0, deadline - time.monotonic())
        before_retry(error, left_s)
        time.sleep(min(pause_s, left_s))
    raise AssertionError("pauses never end")
