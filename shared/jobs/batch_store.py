"""Read and cancel jobs that were accepted as one batch. Owns what a batch's record holds.

Each is a job like any other; the batch knows their ids and, when their records are gone, how they ended. The record
lives until RESULT_TTL_S after the last one's end (its fields: shared/broker/keys.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis

from shared.broker.keys import ROOT_KEY
from shared.broker.lua_scripts import LuaScripts
from shared.errors import NotFound
from shared.jobs.job import Status
from shared.jobs.snapshot import JobSnapshot, pairs_of, queue_position_from, readable
from shared.settings import Settings


@dataclass(frozen=True)
class Member:
    """Hold one job of a batch. `snapshot` is None once its record is gone; how it ended is still known then."""

    job_id: str
    status: Status
    snapshot: JobSnapshot | None


@dataclass(frozen=True)
class Batch:
    """Hold a batch as it was read. `members` are in the order of the requests."""

    id: str
    account: str
    source: str
    created_at: float
    members: tuple[Member, ...]


class BatchStore:
    """Read and cancel batches. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, settings: Settings, root: str = ROOT_KEY) -> None:
        self._settings = settings
        self._run = LuaScripts(client, root).run

    def get(self, batch_id: str) -> Batch:
        """Return the batch with all its jobs and where they stand, in one round trip. Raises NotFound."""
        return batch_from(batch_id, self._run("batch_snapshot", batch_id))

    def cancel(self, batch_id: str) -> Batch:
        """End all of its jobs that have not ended, in one step. Raises NotFound."""
        return batch_from(batch_id, self._run("cancel_batch", batch_id, self._settings.result_ttl_s))


def batch_from(batch_id: str, reply: Any) -> Batch:
    """Parse what a script replies of a batch. Raises NotFound for nothing."""
    if reply is None:
        raise NotFound(f"no batch {batch_id!r}; it never existed or its retention time is over")
    flat, records = reply
    fields = pairs_of(flat)
    ids = fields["ids"].split()
    members = tuple(_member(job_id, fields, *each) for job_id, each in zip(ids, records, strict=True))
    return Batch(batch_id, fields["account"], fields["source"], int(fields["created_ms"]) / 1000, members)


def _member(job_id: str, batch: dict[str, str], flat: list[str], position: list[Any]) -> Member:
    record = pairs_of(flat)
    job = readable(job_id, record) if record else None
    if job is None:
        return Member(job_id, Status(record.get("status") or batch.get(job_id, Status.FAILED)), None)
    return Member(job_id, job.status, JobSnapshot(job, queue_position_from(position)))
