"""Order the waiting jobs for claims: which class of priority comes next, and how many jobs come before one.

The claim itself is claim.lua, which has the pattern too; a test holds the two equal. Inside a class the
order is the line's own: accounts take turns, and a rank there is exact (fair_queue.lua).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from shared.music.priority import CLASSES, Priority

PATTERN: tuple[Priority, ...] = ("high", "normal", "high", "high", "low", "high", "normal", "high")


@dataclass(frozen=True)
class QueuePosition:
    """Say where a job stands: its rank in its class, how many wait in each class, how many claims there were so far."""

    priority: Priority
    rank: int
    waiting: Mapping[Priority, int]
    claims: int

    def ahead(self) -> int:
        """Count the jobs that are claimed before this one if nothing else arrives or leaves."""
        if self.waiting[self.priority] == sum(self.waiting.values()):
            return self.rank  # no other class has any
        left, mine, claims, ahead = dict(self.waiting), self.rank, self.claims, 0
        while True:
            cycle = Counter(next_class(claims + n, left) for n in range(len(PATTERN)))
            # whole cycles at once, as long as no class runs empty within one
            limits = [left[name] // served for name, served in cycle.items()]
            limits += [mine // cycle[self.priority]] if self.priority in cycle else []
            cycles = min(limits)
            for name, served in cycle.items():
                left[name] -= cycles * served
            mine -= cycles * cycle[self.priority]
            ahead += cycles * len(PATTERN)
            for _ in PATTERN:
                name = next_class(claims, left)
                if name == self.priority and mine == 0:
                    return ahead
                left[name] -= 1
                mine -= name == self.priority
                claims, ahead = claims + 1, ahead + 1


def next_class(claims: int, waiting: Mapping[Priority, int]) -> Priority:
    """Return the class that the claim after that many takes from; an empty one yields to the first that is not."""
    first = PATTERN[claims % len(PATTERN)]
    if waiting[first]:
        return first
    return next((name for name in CLASSES if waiting[name]), first)
