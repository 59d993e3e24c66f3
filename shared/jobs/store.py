"""JobStore: the job records in Redis, which are the truth, and their transitions, one Lua script each.

Waiting jobs stand in line by priority, the accounts' turns and arrival (fair_queue.lua). A running job holds a lease.
Only the attempt that holds the job may write: every script that writes for an attempt checks its number first
(fencing). Knows nothing of Celery: a ticket is a text that tickets.py writes, put where tickets.py says.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shared.broker.connection import translated
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
from shared.jobs.acceptance import NewJob, common_args
from shared.jobs.batch_store import BatchStore, lacking
from shared.jobs.digests import fingerprint_digest, request_digest
from shared.jobs.job import SCHEMA, Fingerprint, Job, JobError, Result, Stage, Status
from shared.jobs.queue_position import JobSnapshot, pairs_of, standing_from, unknown
from shared.jobs.serialization import from_fields
from shared.jobs.tickets import Ticket
from shared.music.request import MusicRequest
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
    """What one call of `reap` moved. `failed` are also those that were out of time."""

    requeued: tuple[str, ...]
    failed: tuple[str, ...]


class JobStore(BatchStore):
    """What moves jobs. All methods raise BrokerUnavailable when Redis does not answer in time."""

    # submitting

    def submit(self, request: MusicRequest, model: str, **how: Any) -> Job:
        """As `accept`, the job only."""
        return self.accept(request, model, **how).job

    def accept(
        self,
        request: MusicRequest,
        model: str,
        *,
        account: str,
        source: str,
        job_id: str | None = None,
        webhook: str | None = None,
        idempotency_key: str | None = None,
        fingerprint: Fingerprint | None = None,
        ticket: Ticket | None = None,
        concurrent: int | None = None,
        is_kept: Callable[[Result], bool] | None = None,
        after: Iterable[str] = (),
        made_from: Sequence[str] = (),
        key_id: str | None = None,
    ) -> JobSnapshot:
        """Accept a job: record, place in line and claim ticket in one step. The seed is drawn here when none was given.

        With an idempotency key that this account has used for the same request, the job of then is returned. Given
        the workers' common fingerprint, a request that names its seed shares the generation, or the kept result, of
        an equal one whose audio `is_kept`. From now on at most `concurrent` jobs of this account run at once: 0 is no
        bound, None leaves it as it is. It stands in line once the jobs of `after` have completed, and fails when one
        of them ends otherwise; `made_from` are the flights of those whose audio it takes (see Arrival.of). `key_id` is
        that of the API key that sends it. Raises QueueFull, IdempotencyConflict, and Conflict when one of `after` has
        ended without completing.
        """
        settings, held = self._settings, None
        if idempotency_key:
            held = (idempotency_key, request_digest(request, webhook), settings.idempotency_ttl_s)
        whose = (account, source)
        new = Job(job_id or new_id(), model, request, *whose, webhook=webhook, after=tuple(after), key_id=key_id)
        new_job = NewJob.of(new, fingerprint, ticket, made_from)
        job = new_job.job
        bounds = (account, settings.max_queue_length, settings.result_ttl_s, held)
        gone = self._gone([new_job], is_kept)
        word, value, *standing = self._run(
            "submit", *common_args(*bounds, concurrent=concurrent, gone=gone), *new_job.args()
        )
        if word == "queued" and not job.after:  # one that waits for others stands elsewhere
            return JobSnapshot(replace(job, created_at=value / 1000), standing_from(*standing))
        if word == "full":
            raise QueueFull(value, settings.max_queue_length, retry_after_s=DEFAULT_RETRY_S)
        if word == "conflict":
            raise IdempotencyConflict(str(idempotency_key))
        if word == "lacking":
            raise lacking(value, *standing)
        return self.snapshot(value if word == "replayed" else job.id)

    def submitted_before(
        self, account: str, idempotency_key: str, request: MusicRequest, webhook: str | None = None
    ) -> Job | None:
        """The job of an earlier submission under that key. Raises IdempotencyConflict when it was another request."""
        return self.job_before(account, idempotency_key, request_digest(request, webhook))

    # what a worker does

    def claim(self, model: str, worker: str) -> Job | None:
        """The next waiting job of that model, now leased to this worker under a new attempt number; or None.

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
        answer = self._run(
            *("renew", job.id, job.attempt, _ms(settings.lease_s), stage, step, steps),
            *(settings.result_ttl_s, _text(TIMEOUT)),
        )
        self._expect_held(job, answer)

    def complete(self, job: Job, result: Result) -> None:
        """Raises StaleAttempt."""
        answer = self._run(
            *("complete", job.id, job.attempt, self._settings.result_ttl_s),
            *(json.dumps(result.as_dict()), result.key, fingerprint_digest(result.fingerprint)),
        )
        self._expect_held(job, answer)

    def fail(self, job: Job, error: OstinatoError) -> Status:
        """One attempt failed: back in line while the error is retryable and attempts are left, else failed.

        Returns the job's new status. Raises StaleAttempt.
        """
        most = self._settings.max_attempts if error.retryable else 1
        record = JobError(error.code, error.message, error.details)
        word, status = self._run("fail", job.id, job.attempt, most, self._settings.result_ttl_s, _text(record))
        self._expect_held(job, word if word == "ok" else status)
        return Status(status)

    def requeue(self, job: Job) -> None:
        """The worker is leaving: the job goes back to its place in line. Raises StaleAttempt."""
        self._expect_held(job, self._run("requeue", job.id, job.attempt))

    def expire_lease(self, job: Job) -> None:
        """The worker is lost, and knows it: the reaper treats the job as a dead one's. Raises StaleAttempt."""
        self._expect_held(job, self._run("expire_lease", job.id, job.attempt))

    def drain(self, worker: str) -> None:
        """From now on that worker claims nothing, until it is started again or `undrain`ed."""
        with translated():
            self._redis.sadd(self._key("drained"), worker)

    def undrain(self, worker: str) -> None:
        with translated():
            self._redis.srem(self._key("drained"), worker)

    # what anyone may do

    def cancel(self, job_id: str) -> Job:
        """End a queued or running job. A running one's worker learns of it at its next renewal.

        Others that share its generation keep it. Raises NotFound, and Conflict when it has completed or failed;
        cancelling twice is fine.
        """
        before, after = self._run("cancel", job_id, self._settings.result_ttl_s)
        job = self.get(job_id)
        if before == after and after != Status.CANCELLED:
            raise Conflict(f"task {job_id} has already {after}; only a queued or running task can be cancelled")
        return job

    def purge(self, job_id: str) -> tuple[str, ...]:
        """Forget an ended job: its record, its events and what else is kept of it.

        Returns the keys of its blobs that no other job refers to: they are the caller's to delete. Raises NotFound,
        and Conflict while it has not ended.
        """
        answer = self._run("purge", job_id)
        if answer is None:
            raise unknown(job_id)
        if answer == "part":
            raise Conflict(f"task {job_id} is a part of one that has not ended; purge that one, or cancel it first")
        if isinstance(answer, str):
            raise Conflict(f"task {job_id} is {answer}; cancel it first", details={"status": answer})
        return tuple(answer)

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

    def _expect_held(self, job: Job, answer: str | None) -> None:
        if answer != "ok":
            raise StaleAttempt(
                f"attempt {job.attempt} no longer holds task {job.id}", details={"status": answer or "gone"}
            )


def _text(error: JobError) -> str:
    return json.dumps(error.as_dict())


def new_id() -> str:
    return str(uuid.uuid4())


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _with(pairs: Iterable[tuple[str, str]], status: Status) -> tuple[str, ...]:
    return tuple(job_id for job_id, new in pairs if new == status)
