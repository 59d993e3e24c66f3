"""List dead letters, the jobs whose attempts are used up because every worker that ran them died. For an operator.

The job itself has ended and stays so: to run it again is to accept a copy of it (retries.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.errors import NotFound
from shared.jobs.job import Job
from shared.jobs.reader import JobReader
from shared.jobs.retries import Retries


@dataclass(frozen=True)
class DeadLetter:
    """Hold a job and when it was given up, UNIX seconds."""

    job: Job
    at: float


class DeadLetters:
    """List and clear dead letters. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, reader: JobReader, retries: Retries, root: str = ROOT_KEY) -> None:
        self._redis = commands_of(client)
        self._reader = reader
        self._retries = retries
        self._key = RedisKeys(root).dead_letters()

    def list(self, most: int = 100) -> list[DeadLetter]:
        """List the newest first; those whose record is gone are dropped on the way."""
        with translated():
            found = self._redis.zrevrange(self._key, 0, most - 1, withscores=True)
        letters = []
        for job_id, at_ms in found:
            try:
                letters.append(DeadLetter(self._reader.get(job_id), at_ms / 1000))
            except NotFound:
                self._remove(job_id)
        return letters

    def requeue(self, job_id: str) -> Job:
        """Run it again, and drop the letter; returns the new job. Raises what Retries.retry does."""
        self._expect(job_id)
        return self._retries.retry(job_id)

    def drop(self, job_id: str) -> None:
        """Raises NotFound."""
        self._expect(job_id)
        self._remove(job_id)

    def _expect(self, job_id: str) -> None:
        with translated():
            if self._redis.zscore(self._key, job_id) is None:
                raise NotFound(f"no dead letter {job_id!r}; `dead list` shows them")

    def _remove(self, job_id: str) -> None:
        with translated():
            self._redis.zrem(self._key, job_id)
