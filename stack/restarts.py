"""Decide when a process that ended by itself is started again, and when no more. Starts nothing itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

DOUBLINGS = 16  # more would only make a number too large


@dataclass(frozen=True)
class RestartPolicy:
    """Back off exponentially (seconds): the wait doubles with each death in a row, and after `most` of them it is over.

    A life of `steady_s` ends the row.
    """

    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0
    most: int = 5
    steady_s: float = 60.0

    def wait_s(self, deaths: int) -> float:
        """Return the wait after that many deaths in a row."""
        longest_s = max(self.longest_wait_s, self.first_wait_s)
        return min(longest_s, self.first_wait_s * 2.0 ** min(deaths - 1, DOUBLINGS))


class Lives:
    """Track one process's lives: since when it runs, how many ended in a row, and when the next one is due.

    `was_useful(since)` tells whether a life that began at that UNIX time came to do its work. The death of such a life
    is waited for as after any other, but does not count towards the end: it may be a job's doing, and the next job is
    another.
    """

    def __init__(self, policy: RestartPolicy, was_useful: Callable[[float], bool] | None = None) -> None:
        self.due_at: float | None = None  # on the monotonic clock; None while it runs
        self._policy = policy
        self._was_useful = was_useful
        self._deaths = 0
        self._useless = 0
        self._began()

    def _began(self) -> None:
        self._since, self._began_at = time.time(), time.monotonic()

    def is_due(self) -> bool:
        return self.due_at is not None and time.monotonic() >= self.due_at

    def begin(self) -> None:
        self.due_at = None
        self._began()

    def end(self) -> float | None:
        """Note a death. Returns the seconds until the next life, None when there is to be none."""
        if time.monotonic() - self._began_at >= self._policy.steady_s:
            self._deaths = self._useless = 0
        self._deaths += 1
        if self._was_useful is None or not self._was_useful(self._since):
            self._useless += 1
        if self._useless > self._policy.most:
            return None
        wait_s = self._policy.wait_s(self._deaths)
        self.due_at = time.monotonic() + wait_s
        return wait_s

    def count(self) -> int:
        """Return how many lives in a row ended early."""
        return self._deaths
