"""Look up what an account has submitted under an Idempotency-Key before, be it one job or many.

The scripts that accept write the record, in the same step (lua/includes/acceptance.lua). Changes nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.errors import IdempotencyConflict, NotFound
from shared.jobs.job import Job
from shared.jobs.reader import JobReader
from shared.music.request import MusicRequest


@dataclass(frozen=True)
class IdempotencyRecord:
    """Hold a key, and the digest of the submission that it stands for."""

    key: str
    digest: str


class IdempotencyKeys:
    """Look up idempotency keys. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, reader: JobReader, root: str = ROOT_KEY) -> None:
        self._redis = commands_of(client)
        self._reader = reader
        self._keys = RedisKeys(root)

    def submitted_before(self, account: str, record: IdempotencyRecord) -> str | None:
        """Return the id of the job or batch that this key stands for; None when it is free, as after a purge.

        Raises IdempotencyConflict when another submission was sent under it.
        """
        with translated():
            before = self._redis.hgetall(self._keys.idempotency(account, record.key))
            found = before.get("id")
            if not found or not self._redis.exists(self._keys.job(found), self._keys.batch(found)):
                return None
        if before["digest"] != record.digest:
            raise IdempotencyConflict(record.key)
        return found

    def request_before(self, account: str, key: str | None, index: int = 0) -> MusicRequest | None:
        """Return the request that was accepted under that key, of a batch the one of that index, whatever it was."""
        job = self.job_before(account, key, index)
        return None if job is None else job.request

    def job_before(self, account: str, key: str | None, index: int = 0) -> Job | None:
        """Return the job that was accepted under that key, of a batch the one of that index."""
        if key is None:
            return None
        with translated():
            found = self._redis.hget(self._keys.idempotency(account, key), "id")
            ids = self._redis.hget(self._keys.batch(found), "ids") if found else None
        job_ids = (ids or found or "").split()
        with suppress(NotFound):
            return self._reader.get(job_ids[index]) if index < len(job_ids) else None
        return None
