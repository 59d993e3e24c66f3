"""Track sequences in a static cache's slots, and the steps that were launched for them. Computes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from worker.engine.runners.outcome_buffers import HostOutcome
from worker.engine.runners.sequence import Sequence


@dataclass
class KvSlot:
    """Track one sequence on the device: its slot, and the steps that were launched for it."""

    slot: int
    prefix: int
    text: int
    step: int
    decoded: int
    last: int  # the window's last step: predicted from the one before it

    @property
    def has_steps(self) -> bool:
        return self.step < self.last


@dataclass(frozen=True)
class PendingStep:
    """Hold a launched step's outcome until its copy to the host has arrived."""

    sequences: tuple[tuple[Sequence, int, int, int], ...]  # each with its slot, and `step` and `decoded` after it
    outcome: HostOutcome
