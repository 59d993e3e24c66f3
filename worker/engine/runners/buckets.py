"""Buckets: the few shapes that steps come in, so that a graph can be kept for each. Knows no songs.

With `exact` there is one bucket, all slots and whole contexts: neither kernels nor sums then depend on neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from worker.engine.model.memory import Capacity
from worker.engine.runners.cuda_step import StepShape

CONTEXT_BUCKET = 256  # positions
SHORT_TEXT = 64  # tokens: most prompts


@dataclass(frozen=True)
class Buckets:
    """The smallest bucket that holds what is there."""

    slots: int
    room: Capacity
    exact: bool

    def slots_for(self, songs: int) -> int:
        return next(bucket for bucket in slot_buckets(self.slots, self.exact) if bucket >= songs)

    def context_for(self, positions: int) -> int:
        return next(bucket for bucket in context_buckets(self.room.positions, self.exact) if bucket >= positions)

    def text_for(self, tokens: int) -> int:
        short = tokens <= SHORT_TEXT and not self.exact
        return min(self.room.text, SHORT_TEXT) if short else self.room.text

    def usual(self) -> Iterator[StepShape]:
        """Guided songs with short prompts and a plain top-k: the shapes to have at boot."""
        for slots in slot_buckets(self.slots, self.exact):
            for context in context_buckets(self.room.positions, self.exact):
                yield StepShape(slots, context, self.text_for(1), halves=2, sorts=False)


def slot_buckets(slots: int, exact: bool) -> list[int]:
    """1, 2, 4, ... and all."""
    if exact:
        return [slots]
    return [2**power for power in range(slots.bit_length()) if 2**power < slots] + [slots]


def context_buckets(positions: int, exact: bool) -> list[int]:
    """Multiples of CONTEXT_BUCKET, and all."""
    if exact:
        return [positions]
    return [*range(CONTEXT_BUCKET, positions, CONTEXT_BUCKET), positions]
