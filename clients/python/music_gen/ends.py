"""Say whether a task or a batch has ended, by the word that the server has for its status."""

from __future__ import annotations

from typing import Protocol

ENDS = frozenset({"completed", "failed", "cancelled"})


class HasStatus(Protocol):
    @property
    def status(self) -> str: ...


class TaskEnd:
    """Say how a task ended, beside its fields."""

    @property
    def ended(self: HasStatus) -> bool:
        return self.status in ENDS


class BatchEnd:
    """Say how a batch ended, beside its fields. Its status may also be partial once it has ended."""

    @property
    def ended(self: HasStatus) -> bool:
        return self.status != "processing"
