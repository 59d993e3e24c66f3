"""Read scripts' replies into values: a job as one read found it, and its queue position. Asks nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import NotFound, RecordTooNew
from shared.jobs.job import Job, Status
from shared.jobs.priority_order import QueuePosition
from shared.jobs.serialization import from_fields
from shared.music.priority import CLASSES


@dataclass(frozen=True)
class JobSnapshot:
    """Hold a job as it is, and where it stands in line when it waits."""

    job: Job
    queue_position: QueuePosition | None

    @property
    def position(self) -> int | None:
        """Count the jobs claimed before it if nothing else arrives; None when it does not wait."""
        return None if self.queue_position is None else self.queue_position.ahead()


@dataclass(frozen=True)
class QueuedState:
    """Hold what changes about a waiting job while it waits."""

    status: Status
    model: str
    audio_s: float
    position: int | None


def job_from(job_id: str, fields: dict[str, str]) -> Job:
    if not fields:
        raise unknown(job_id)
    return from_fields(job_id, fields)


def unknown(job_id: str) -> NotFound:
    return NotFound(f"no task {job_id!r}; it never existed or its retention time is over")


def readable(job_id: str, fields: dict[str, str]) -> Job | None:
    """Read a record; None for one of a later version: a list leaves it out, asking for it by id says why."""
    try:
        return from_fields(job_id, fields)
    except RecordTooNew:
        return None


def queue_position_from(flat: list[Any]) -> QueuePosition | None:
    if not flat:
        return None
    priority, rank, *waiting, claims = flat
    return QueuePosition(priority, rank, dict(zip(CLASSES, waiting, strict=True)), claims)


def fields_of(record: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Return the fields of what HGETALL answered, by RESP2 a list of names and values, by RESP3 a map."""
    return dict(record) if isinstance(record, Mapping) else pairs_of(record)


def pairs_of(flat: Sequence[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
