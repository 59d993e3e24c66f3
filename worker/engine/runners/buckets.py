"""Round a step's shape up to one of a few buckets, so that one CUDA graph can be kept for each.

With `exact` there is one bucket, all slots and full contexts: neither kernels nor sums then depend on the batch. Where
attention reads each row's own length (`own_lengths`), there are buckets of slots alone.
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
    """Choose the smallest bucket of slots, context positions and text tokens that is large enough."""

    slots: int
    capacity: Capacity
    exact: bool
    own_lengths: bool = False

    @property
    def full(self) -> bool:
        """Tell whether all steps have the full context and text."""
        return self.exact or self.own_lengths

    def slots_for(self, sequences: int) -> int:
        return next(bucket for bucket in slot_buckets(self.slots, self.exact) if bucket >= sequences)

    def context_for(self, positions: int) -> int:
        return next(bucket for bucket in context_buckets(self.capacity.positions, self.full) if bucket >= positions)

    def text_for(self, tokens: int) -> int:
        short = tokens <= SHORT_TEXT and not self.full
        return min(self.capacity.text, SHORT_TEXT) if short else self.capacity.text

    def common_shapes(self) -> Iterator[StepShape]:
        """Yield the shapes to capture at boot, the largest first: guided, with short prompts and a plain top-k."""
        for slots in reversed(slot_buckets(self.slots, self.exact)):
            for context in reversed(context_buckets(self.capacity.positions, self.full)):
                yield StepShape(slots, context, self.text_for(1), halves=2, sorts=False)


def slot_buckets(slots: int, exact: bool) -> list[int]:
    """Return the numbers of slots that steps run with: 1, 2, 4, ... and all."""
    if exact:
        return [slots]
    return [2**power for power in range(slots.bit_length()) if 2**power < slots] + [slots]


def context_buckets(positions: int, full: bool) -> list[int]:
    """Return the context lengths that steps read: multiples of CONTEXT_BUCKET, and all."""
    if full:
        return [positions]
    return [*range(CONTEXT_BUCKET, positions, CONTEXT_BUCKET), positions]
