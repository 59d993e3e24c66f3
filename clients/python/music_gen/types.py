"""Define the values that clients return: Task, Batch, Share, Event and others. What is not known yet is in `raw`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from music_gen.ends import ENDS
from music_gen.responses import Batch as Batch
from music_gen.responses import Fingerprint as Fingerprint
from music_gen.responses import Part as Part
from music_gen.responses import Share as Share
from music_gen.responses import Task as Task


def id_of(named: Task | Batch | str) -> str:
    """Return the id of a task or batch that may be named by its id alone."""
    return named if isinstance(named, str) else named.id


@dataclass(frozen=True)
class Event:
    """Hold one event of a task. The last one (completed, failed, cancelled) carries the task; `gone` carries none."""

    name: str
    data: Mapping[str, Any]
    id: str | None = None

    @property
    def last(self) -> bool:
        return self.name in ENDS or self.name == "gone"

    @property
    def task(self) -> Task | None:
        return Task.from_answer(self.data) if self.name in ENDS else None


@dataclass(frozen=True)
class Webhook:
    """Hold a verified webhook: `type` is task.completed or the like, `id` the same over all its deliveries."""

    id: str
    type: str
    timestamp: str
    task: Task
