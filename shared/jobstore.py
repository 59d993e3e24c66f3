"""JobStore: the job records in Redis, which are the truth, and their transitions, one Lua script each.

Waiting jobs are one sorted set per model, scored by place in line; a position is a ZRANK, O(log n). A running job
holds a lease. Only the attempt that holds the job may write: every script that writes for an attempt checks its
number first (fencing). Knows nothing of Celery: the tickets are queue.py's.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import redis

from shared.connection import ROOT_KEY, refuse_evicting, translated
from shared.errors import Conflict, NotFound, OstinatoError, QueueFull, StaleAttempt, WorkerLost
from shared.job import SCHEMA, Job, JobError, Result, Stage, Status
from shared.records import RecordTooNew, from_fields, to_fields
from shared.request import MusicRequest
from shared.settings import Settings

SWEEP_BATCH = 200
_LUA = Path(__file__).parent / "lua"
LOST = JobError(WorkerLost.code, "the worker that ran this job died or made no progress; the job runs again")


@dataclass(frozen=True)
class Swept:
    """What one sweep moved."""

    requeued: tuple[str, ...]
    failed: tuple[str, ...]


class JobStore:
    """All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, settings: Settings, root: str = ROOT_KEY) -> None:
        self._redis: Any = client
        self._settings = settings
        self._root = root
        common = (_LUA / "common.lua").read_text()
        names = ("submit", "claim", "renew", "complete", "fail", "give_back", "cancel", "sweep")
        self._scripts = {n: client.register_script(common + (_LUA / f"{n}.lua").read_text()) for n in names}

    def _run(self, script: str, *args: str | int | float) -> Any:
        with translated():
            return self._scripts[script](keys=[self._root], args=args)

    def _key(self, *parts: str) -> str:
        return ":".join((self._root, *parts))

    # submitting and reading

    def submit(self, request: MusicRequest, model: str, *, account: str, source: str, job_id: str | None = None) -> Job:
        """Accept a job: record and place in line in one step. The seed is drawn here when none was given.

        Raises QueueFull.
        """
        if request.seed is None:
            request = request.model_copy(update={"seed": random.SystemRandom().randrange(2**32)})
        job = Job(job_id or new_id(), model, request, account, source)
        flat = [part for pair in to_fields(job).items() for part in pair]
        limit = self._settings.max_queue_length
        word, number = self._run("submit", job.id, model, account, limit, *flat)
        if word == "full":
            raise QueueFull(number, limit, retry_after_s=5)
        return replace(job, created_at=number / 1000)

    def get(self, job_id: str) -> Job:
        """Raises NotFound."""
        with translated():
            fields = self._redis.hgetall(self._key("job", job_id))
        if not fields:
            raise NotFound(f"no task {job_id!r}; it never existed or its retention time is over")
        return from_fields(job_id, fields)

    def position(self, job: Job) -> int | None:
        """0 is next; None when the job does not wait."""
        with translated():
            rank: int | None = self._redis.zrank(self._key("waiting", job.model), job.id)
        return rank

    def recent(self, account: str, *, limit: int, offset: int = 0) -> list[Job]:
        """Newest first. Entries whose record has expired are dropped from the list on the way."""
        key = self._key("account", account)
        while True:
            with translated():
                ids = self._redis.zrevrange(key, offset, offset + limit - 1)
                pipe = self._redis.pipeline(transaction=False)
                for job_id in ids:
                    pipe.hgetall(self._key("job", job_id))
                records = dict(zip(ids, pipe.execute(), strict=True))
                gone = [job_id for job_id, fields in records.items() if not fields]
                if not gone:
                    return [job for job_id, fields in records.items() if (job := _readable(job_id, fields))]
                self._redis.zrem(key, *gone)

    def count(self, account: str) -> int:
        with translated():
            return int(self._redis.zcard(self._key("account", account)))

    def waiting(self) -> dict[str, int]:
        """Jobs waiting per model, for every model that ever had one."""
        with translated():
            names = sorted(self._redis.smembers(self._key("models")))
            pipe = self._redis.pipeline(transaction=False)
            for name in names:
                pipe.zcard(self._key("waiting", name))
            return dict(zip(names, pipe.execute(), strict=True))

    def check(self) -> None:
        """Raises BrokerUnavailable when Redis is away, ConfigurationError when it could drop jobs."""
        refuse_evicting(self._redis)

    def running(self) -> int:
        with translated():
            return int(self._redis.zcard(self._key("leases")))

    # what a worker does

    def claim(self, model: str, worker: str) -> Job | None:
        """The next waiting job of that model, now leased to this worker under a new attempt number; or None."""
        claimed = self._run("claim", model, worker, _ms(self._settings.lease_s), SCHEMA)
        if claimed is None:
            return None
        job_id, flat = claimed
        return from_fields(job_id, dict(zip(flat[::2], flat[1::2], strict=True)))

    def renew(self, job: Job, stage: Stage, step: int, steps: int) -> None:
        """Renew the lease and tell the progress. Raises StaleAttempt when this attempt no longer holds the job."""
        answer = self._run("renew", job.id, job.attempt, _ms(self._settings.lease_s), stage, step, steps)
        self._expect_held(job, answer)

    def complete(self, job: Job, result: Result) -> None:
        """Raises StaleAttempt."""
        data = json.dumps(result.as_dict())
        self._expect_held(job, self._run("complete", job.id, job.attempt, self._settings.result_ttl_s, data))

    def fail(self, job: Job, error: OstinatoError) -> Status:
        """One attempt failed: back in line while the error is retryable and attempts are left, else failed.

        Returns the job's new status. Raises StaleAttempt.
        """
        most = self._settings.max_attempts if error.retryable else 1
        record = JobError(error.code, error.message, error.details)
        word, status = self._run(
            "fail", job.id, job.attempt, most, self._settings.result_ttl_s, json.dumps(record.as_dict())
        )
        self._expect_held(job, word if word == "ok" else status)
        return Status(status)

    def give_back(self, job: Job) -> None:
        """The worker is leaving: the job goes back to its place in line. Raises StaleAttempt."""
        self._expect_held(job, self._run("give_back", job.id, job.attempt))

    # what anyone may do

    def cancel(self, job_id: str) -> Job:
        """End a queued or running job. A running one's worker learns of it at its next renewal.

        Raises NotFound, and Conflict when it has completed or failed; cancelling twice is fine.
        """
        before, after = self._run("cancel", job_id, self._settings.result_ttl_s)
        job = self.get(job_id)
        if before == after and after != Status.CANCELLED:
            raise Conflict(f"task {job_id} has already {after}; only a queued or running task can be cancelled")
        return job

    def sweep(self) -> Swept:
        """Take back the jobs whose lease has run out."""
        final = JobError(LOST.code, "each worker that ran this job died or made no progress; attempts are used up")
        moved = self._run(
            "sweep",
            self._settings.max_attempts,
            self._settings.result_ttl_s,
            json.dumps(LOST.as_dict()),
            json.dumps(final.as_dict()),
            SWEEP_BATCH,
        )
        pairs = list(zip(moved[::2], moved[1::2], strict=True))
        return Swept(_with(pairs, Status.QUEUED), _with(pairs, Status.FAILED))

    def _expect_held(self, job: Job, answer: str | None) -> None:
        if answer != "ok":
            raise StaleAttempt(
                f"attempt {job.attempt} no longer holds task {job.id}", details={"status": answer or "gone"}
            )


def _readable(job_id: str, fields: dict[str, str]) -> Job | None:
    """None for a record of a later version: a list leaves it out, asking for it by id says why."""
    try:
        return from_fields(job_id, fields)
    except RecordTooNew:
        return None


def new_id() -> str:
    return str(uuid.uuid4())


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _with(pairs: Iterable[tuple[str, str]], status: Status) -> tuple[str, ...]:
    return tuple(job_id for job_id, new in pairs if new == status)
