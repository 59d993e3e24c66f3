"""Steps that tests of the job store take: claim, complete, and look how a job stands."""

from __future__ import annotations

from collections.abc import Callable

import redis

from shared.errors import GenerationFailed
from shared.jobs.event_log import EventLog
from shared.jobs.job import Fingerprint, Job, Result, Stage, Status
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest

Requests = Callable[..., MusicRequest]

MADE_BY = Fingerprint("digest", "engine-1", "fp32", "cpu")


def final(message: str) -> GenerationFailed:
    """A failure after which nothing is tried again."""
    error = GenerationFailed(message)
    error.retryable = False
    return error


FINAL = final("out of ideas")


def result_for(job: Job, key: str | None = None) -> Result:
    key = key or f"results/{job.id}/{job.attempt}.wav"
    return Result(key, "audio/wav", 1, "0", 1.0, 32000, 1, 0.5, MADE_BY)


def claim(store: JobStore, worker: str = "w1") -> Job:
    job = store.claim("tiny", worker)
    assert job is not None
    return job


def finish(store: JobStore, count: int = 1) -> list[str]:
    """The next so many jobs, claimed and completed."""
    jobs = [claim(store) for _ in range(count)]
    for job in jobs:
        store.complete(job, result_for(job))
    return [job.id for job in jobs]


def standing(store: JobStore, job_id: str) -> tuple[Status, Stage, int | None]:
    look = store.reader.snapshot(job_id)
    return look.job.status, look.job.stage, look.position


def kinds(client: redis.Redis, job_id: str) -> list[str]:
    return [entry.type for entry in EventLog(client).since(job_id)]
