"""BatchStore: many jobs accepted in one step, and read and cancelled as one. Owns what a batch's record holds.

Each is a job like any other; the batch knows their ids and, when their records are gone, how they ended. The record
lives until RESULT_TTL_S after the last one's end (its fields: shared/broker/keys.py). Also what was accepted
before under an Idempotency-Key, be it one job or many.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from shared.broker.connection import translated
from shared.errors import Conflict, IdempotencyConflict, NotFound, QueueFull
from shared.jobs.acceptance import NewJob, common_args
from shared.jobs.job import Job, Result, Status
from shared.jobs.queue_position import JobSnapshot, pairs_of, readable, standing_from
from shared.jobs.reader import JobReader
from shared.music.request import MusicRequest
from shared.workers.throughput import DEFAULT_RETRY_S


@dataclass(frozen=True)
class Member:
    """One job of a batch. `look` is None once its record is gone; how it ended is still known then."""

    job_id: str
    status: Status
    look: JobSnapshot | None


@dataclass(frozen=True)
class Batch:
    """A batch as it was read. `members` in the order of the requests."""

    id: str
    account: str
    source: str
    created_at: float
    members: tuple[Member, ...]


class BatchStore(JobReader):
    """All methods raise BrokerUnavailable when Redis does not answer in time."""

    def accept_batch(
        self,
        batch_id: str,
        new_jobs: Sequence[NewJob],
        *,
        account: str,
        source: str,
        idempotency: tuple[str, str] | None = None,
        concurrent: int | None = None,
        is_kept: Callable[[Result], bool] | None = None,
    ) -> Batch:
        """Accept all of these jobs, or none, in one step and one round trip.

        `idempotency` is a key and a digest: the batch that this account sent before under them is returned.
        `is_kept` says whether that audio is still there, all of it; else nobody is answered from it. Raises QueueFull
        when the line of one of the models has no room for all that would wait in it, IdempotencyConflict, and Conflict
        when one that is to be waited for has ended without completing.
        """
        how = (account, idempotency, concurrent, is_kept)
        word, *rest = self._accept_all("submit_batch", (batch_id, source), new_jobs, *how)
        return _batch_from(batch_id, rest[0]) if word == "accepted" else self.batch_snapshot(rest[0])

    def accept_composition(
        self,
        new_jobs: Sequence[NewJob],
        *,
        account: str,
        idempotency: tuple[str, str] | None = None,
        concurrent: int | None = None,
        is_kept: Callable[[Result], bool] | None = None,
    ) -> str:
        """Accept the parts and, last, the job that mixes them: all or none, in one step. Returns the mix job's id.

        That of an earlier one, when the same was sent before under this key. Raises as `accept_batch`.
        """
        how = (account, idempotency, concurrent, is_kept)
        word, *rest = self._accept_all("submit_composition", (), new_jobs, *how)
        return new_jobs[-1].job.id if word == "accepted" else str(rest[0])

    def _accept_all(
        self,
        script: str,
        head: tuple[str, ...],
        new_jobs: Sequence[NewJob],
        account: str,
        idempotency: tuple[str, str] | None,
        concurrent: int | None,
        is_kept: Callable[[Result], bool] | None,
    ) -> list[Any]:
        """`accepted`, or `replayed` and an id, as the script answers. Raises what `accept_batch` says."""
        settings = self._settings
        held = (*idempotency, settings.idempotency_ttl_s) if idempotency else None
        bounds = (account, settings.max_queue_length, settings.result_ttl_s, held)
        word, *rest = self._run(
            script,
            *common_args(*bounds, concurrent=concurrent, gone=self._gone(new_jobs, is_kept)),
            *head,
            *(part for new_job in new_jobs for part in new_job.args()),
        )
        if word == "full":
            model, length, more = rest
            raise QueueFull(length, settings.max_queue_length, DEFAULT_RETRY_S, model=model, needed=more)
        if word == "conflict":
            raise IdempotencyConflict(idempotency[0] if idempotency else "")
        if word == "lacking":
            raise lacking(*rest)
        return [word, *rest]

    def batch_snapshot(self, batch_id: str) -> Batch:
        """The batch with all its jobs and where they stand, in one round trip. Raises NotFound."""
        return _batch_from(batch_id, self._run("batch_snapshot", batch_id))

    def cancel_batch(self, batch_id: str) -> Batch:
        """End all of its jobs that have not ended, in one step. Raises NotFound."""
        return _batch_from(batch_id, self._run("cancel_batch", batch_id, self._settings.result_ttl_s))

    def job_before(self, account: str, idempotency_key: str, digest: str) -> Job | None:
        """The job of an earlier submission under that key. Raises IdempotencyConflict when it was another request."""
        found = self._accepted_before(account, idempotency_key, digest)
        with suppress(NotFound):
            return None if found is None else self.get(found)
        return None

    def batch_before(self, account: str, idempotency_key: str, digest: str) -> Batch | None:
        """The batch of an earlier submission under that key. Raises IdempotencyConflict when it was another one."""
        found = self._accepted_before(account, idempotency_key, digest)
        with suppress(NotFound):
            return None if found is None else self.batch_snapshot(found)
        return None

    def _accepted_before(self, account: str, idempotency_key: str, digest: str) -> str | None:
        """Its id. As acceptance.lua has it, a key is free again once what it stood for is purged."""
        with translated():
            found, before = self._redis.hmget(self._key("idem", account, idempotency_key), "id", "digest")
            if not found or not self._redis.exists(self._key("job", found), self._key("batch", found)):
                return None
        if before != digest:
            raise IdempotencyConflict(idempotency_key)
        return str(found)

    def request_before(self, account: str, idempotency_key: str | None, index: int = 0) -> MusicRequest | None:
        """The request that was accepted under that key, of a batch the one of that index, whatever it was."""
        if idempotency_key is None:
            return None
        with translated():
            found = self._redis.hget(self._key("idem", account, idempotency_key), "id")
            ids = self._redis.hget(self._key("batch", found), "ids") if found else None
        job_ids = (ids or found or "").split()
        with suppress(NotFound):
            return self.get(job_ids[index]).request if index < len(job_ids) else None
        return None

    def kept_results(self, flights: Iterable[str]) -> list[Result]:
        """The results from which requests of those flights would be answered at once."""
        with translated():
            ids = self._redis.mget([self._key("flight", flight) for flight in flights])
            pipe = self._redis.pipeline(transaction=False)
            for job_id in {found for found in ids if found}:
                pipe.hget(self._key("job", job_id), "result")
            return [Result.from_dict(json.loads(text)) for text in pipe.execute() if text]

    def _gone(self, new_jobs: Sequence[NewJob], is_kept: Callable[[Result], bool] | None) -> list[str]:
        """The blobs from which some of these would be answered, but which are no more, or not whole."""
        flights = {new_job.flight for new_job in new_jobs if new_job.flight}
        if not flights or is_kept is None:
            return []
        return [result.key for result in self.kept_results(flights) if not is_kept(result)]


def lacking(job_id: str, status: str) -> Conflict:
    """The refusal of a job that is to wait for one that will never complete."""
    return Conflict(
        f"task {job_id} is {status}; only a task that has completed, or still may, can be waited for",
        details={"task_id": job_id, "status": status},
    )


def _batch_from(batch_id: str, answer: Any) -> Batch:
    if answer is None:
        raise NotFound(f"no batch {batch_id!r}; it never existed or its retention time is over")
    flat, records = answer
    fields = pairs_of(flat)
    ids = fields["ids"].split()
    members = tuple(_member(job_id, fields, *each) for job_id, each in zip(ids, records, strict=True))
    return Batch(batch_id, fields["account"], fields["source"], int(fields["created_ms"]) / 1000, members)


def _member(job_id: str, batch: dict[str, str], flat: list[str], standing: list[Any]) -> Member:
    record = pairs_of(flat)
    job = readable(job_id, record) if record else None
    if job is None:
        return Member(job_id, Status(record.get("status") or batch.get(job_id, Status.FAILED)), None)
    return Member(job_id, job.status, JobSnapshot(job, standing_from(standing)))
