"""Write the job records in Redis, which are the truth, by their transitions, one Lua script each.

Waiting jobs stand in line by priority, the accounts' turns and arrival (fair_queue.lua). A running job holds a lease.
Only the attempt that holds the job may write: every script that writes for an attempt checks its number first
(fencing). Knows nothing of Celery: a ticket is a text that tickets.py writes, put where tickets.py says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.broker.lua_scripts import LuaScripts
from shared.errors import (
    ClaimLater,
    Conflict,
    Expired,
    IdempotencyConflict,
    OstinatoError,
    QueueFull,
    StaleAttempt,
    TimedOut,
    WorkerLost,
)
from shared.jobs.acceptance import Accepted, NewJob, SubmitContext, refusal_of
from shared.jobs.batch_store import batch_from
from shared.jobs.digests import fingerprint_digest
from shared.jobs.job import SCHEMA, Job, JobError, Result, Stage, Status
from shared.jobs.reader import JobReader
from shared.jobs.serialization import from_fields
from shared.jobs.snapshot import JobSnapshot, pairs_of, queue_position_from, unknown
from shared.settings import Settings
from shared.workers.throughput import DEFAULT_RETRY_S

REAP_BATCH = 200
LOST = JobError(WorkerLost.code, "the worker that ran this job died or made no progress; the job runs again")
LOST_FOR_GOOD = JobError(
    WorkerLost.code, "each worker that ran this job died or made no progress; attempts are used up"
)
EXPIRED = JobError(Expired.code, "it did not begin within its ttl_s; send a longer one, or submit it when less waits")
TIMEOUT = JobError(TimedOut.code, "it was not done within its timeout_s; send a longer one, or ask for a shorter piece")


@dataclass(frozen=True)
class Reaped:
    """Hold what one call of `reap` moved. `failed` are also those that were out of time."""

    requeued: tuple[str, ...]
    failed: tuple[str, ...]


class JobStore:
    """Move jobs between their states. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, settings: Settings, root: str = ROOT_KEY) -> None:
        self.reader = JobReader(client, settings, root)
        self._redis = commands_of(client)
        self._settings = settings
        self._drained = RedisKeys(root).drained()
        self._run = LuaScripts(client, root).run

    # submitting

    def accept(self, jobs: Sequence[NewJob], context: SubmitContext) -> Accepted:
        """Accept all of these jobs, or none, in one step and one round trip: recorded, in line, with their tickets.

        The last one stands for all, unless they are a batch: of a composition it is the mix. Under an idempotency key
        that this account has used for the same submission, that of then is returned. A request with a cache key shares
        the generation, or the kept result, of an equal one. What names jobs to wait for stands in line once these have
        completed, and fails when one of them ends otherwise; what names a job whose result it is to have is completed
        at once. Raises QueueFull when the line of one of the models has no room for all that would wait in it,
        IdempotencyConflict, and Conflict when one that is to be waited for has ended without completing, one whose
        result is wanted has none, or one that is to run again did not fail or has run again.
        """
        script = "submit_batch" if context.batch_id else "submit"
        common = context.args(self._settings, self._gone(jobs, context.is_kept))
        word, *rest = self._run(script, *common, *(part for new_job in jobs for part in new_job.args()))
        if word == "full":
            raise self._full(*rest, alone=script == "submit" and len(jobs) == 1)
        if word == "conflict":
            raise IdempotencyConflict(context.idempotency.key if context.idempotency else "")
        if refusal := refusal_of(word, rest):
            raise refusal
        if word == "replayed":
            return Accepted(rest[0], replayed=True)
        if context.batch_id:
            return Accepted(context.batch_id, batch=batch_from(context.batch_id, rest[0]))
        job, snapshot = jobs[-1].job, None
        if word == "queued" and not job.after:  # one that waits for others stands elsewhere
            created_ms, position = rest
            snapshot = JobSnapshot(replace(job, created_at=created_ms / 1000), queue_position_from(position))
        return Accepted(job.id, snapshot=snapshot)

    def _full(self, model: str, length: int, needed: int, *, alone: bool) -> QueueFull:
        """Return the refusal: `needed` more would wait for that model. It is not said of one job that came alone."""
        most = self._settings.max_queue_length
        if alone:
            return QueueFull(length, most, DEFAULT_RETRY_S)
        return QueueFull(length, most, DEFAULT_RETRY_S, model=model, needed=needed)

    def _gone(self, jobs: Sequence[NewJob], is_kept: Callable[[Result], bool] | None) -> list[str]:
        """Return the blobs from which some of these would be answered, but which are no more, or not whole."""
        cache_keys = {new_job.cache_key for new_job in jobs if new_job.cache_key}
        if not cache_keys or is_kept is None:
            return []
        return [result.key for result in self.reader.cached_results(cache_keys) if not is_kept(result)]

    # what a worker does

    def claim(self, model: str, worker: str) -> Job | None:
        """Claim the next waiting job of that model, now leased to this worker under a new attempt number; or None.

        Raises ClaimLater when this worker runs a job alone, makes room for one that must, or is drained.
        """
        settings = self._settings
        claimed = self._run(
            *("claim", model, worker, _ms(settings.lease_s), SCHEMA, settings.result_ttl_s),
            *(_text(EXPIRED), _text(TIMEOUT)),
        )
        if claimed is None:
            return None
        if claimed == "wait":
            raise ClaimLater(f"{worker} runs a job alone, makes room for one that must, or is drained")
        job_id, flat = claimed
        return from_fields(job_id, pairs_of(flat))

    def renew(self, job: Job, stage: Stage, step: int, steps: int) -> None:
        """Renew the lease and tell the progress. Raises StaleAttempt when this attempt no longer holds the job."""
        settings = self._settings
        reply = self._run(
            *("renew", job.id, job.attempt, _ms(settings.lease_s), stage, step, steps),
            *(settings.result_ttl_s, _text(TIMEOUT)),
        )
        self._expect_owned(job, reply)

    def complete(self, job: Job, result: Result) -> None:
        """Raises StaleAttempt."""
        reply = self._run(
            *("complete", job.id, job.attempt, self._settings.result_ttl_s),
            *(json.dumps(result.as_dict()), result.key, fingerprint_digest(result.fingerprint)),
        )
        self._expect_owned(job, reply)

    def fail(self, job: Job, error: OstinatoError) -> Status:
        """Record a failed attempt: back in line while the error is retryable and attempts are left, else failed.

        Returns the job's new status. Raises StaleAttempt.
        """
        most = self._settings.max_attempts if error.retryable else 1
        record = JobError(error.code, error.message, error.details)
        word, status = self._run("fail", job.id, job.attempt, most, self._settings.result_ttl_s, _text(record))
        self._expect_owned(job, word if word == "ok" else status)
        return Status(status)

    def requeue(self, job: Job) -> None:
        """Put the job back where it stood in line, as its worker is leaving. Raises StaleAttempt."""
        self._expect_owned(job, self._run("requeue", job.id, job.attempt))

    def expire_lease(self, job: Job) -> None:
        """End the lease of a worker that knows it is lost: the reaper treats the job as a dead one's.

        Raises StaleAttempt.
        """
        self._expect_owned(job, self._run("expire_lease", job.id, job.attempt))

    def drain(self, worker: str) -> None:
        """Let that worker claim nothing from now on, until it is started again or `undrain`ed."""
        with translated():
            self._redis.sadd(self._drained, worker)

    def undrain(self, worker: str) -> None:
        with translated():
            self._redis.srem(self._drained, worker)

    # what anyone may do

    def cancel(self, job_id: str) -> Job:
        """End a queued or running job. A running one's worker learns of it at its next renewal.

        Others that share its generation keep it. Raises NotFound, and Conflict when it has completed or failed;
        cancelling twice is fine.
        """
        before, after = self._run("cancel", job_id, self._settings.result_ttl_s)
        job = self.reader.get(job_id)
        if before == after and after != Status.CANCELLED:
            raise Conflict(f"task {job_id} has already {after}; only a queued or running task can be cancelled")
        return job

    def purge(self, job_id: str) -> tuple[str, ...]:
        """Forget an ended job: its record, its events and what else is kept of it.

        Returns the keys of its blobs that no other job refers to: they are the caller's to delete. Raises NotFound,
        and Conflict while it has not ended.
        """
        reply = self._run("purge", job_id)
        if reply is None:
            raise unknown(job_id)
        if reply == "part":
            raise Conflict(f"task {job_id} is a part of one that has not ended; purge that one, or cancel it first")
        if isinstance(reply, str):
            raise Conflict(f"task {job_id} is {reply}; cancel it first", details={"status": reply})
        return tuple(reply)

    def reap(self) -> Reaped:
        """End what is out of time, take back the jobs whose lease has run out, adopt what an older version queued."""
        settings = self._settings
        self._run("migrate_queue", REAP_BATCH)
        moved = self._run(
            *("reap", settings.max_attempts, settings.result_ttl_s),
            *map(_text, (LOST, LOST_FOR_GOOD, EXPIRED, TIMEOUT)),
            *(_ms(settings.lease_s), REAP_BATCH),
        )
        pairs = list(zip(moved[::2], moved[1::2], strict=True))
        return Reaped(_with(pairs, Status.QUEUED), _with(pairs, Status.FAILED))

    def _expect_owned(self, job: Job, reply: str | None) -> None:
        if reply != "ok":
            raise StaleAttempt(
                f"attempt {job.attempt} no longer holds task {job.id}", details={"status": reply or "gone"}
            )


def _text(error: JobError) -> str:
    return json.dumps(error.as_dict())


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _with(pairs: Iterable[tuple[str, str]], status: Status) -> tuple[str, ...]:
    return tuple(job_id for job_id, new in pairs if new == status)
