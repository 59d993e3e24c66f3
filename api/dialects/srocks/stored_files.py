"""List the files of /files/, made by POST /generate/, newest first and MAX_STORED_FILES at most.

Owns one sorted set of task ids per account and the names made from them. The jobs and their audio are the job
service's; one that is still being made counts for nothing here, and is never removed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import redis

from api.services.job_service import JobService, TaskState
from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import REDIS_KEYS
from shared.errors import Conflict, NotFound
from shared.jobs.job import Job

STAMP = "%Y%m%d_%H%M%S"
NAME = re.compile(r"gen_(\d{8}_\d{6})_([0-9a-f]{8})\.wav")
UNFINISHED_READ = 1000  # entries read beyond the cap: jobs that still wait


class StoredFiles:
    """List, find and trim the files of all accounts.

    All methods raise BrokerUnavailable while Redis does not respond.
    """

    def __init__(self, client: redis.Redis, job_service: JobService, keep: int) -> None:
        self._redis = commands_of(client)
        self._job_service = job_service
        self._keep = keep

    def add(self, job: Job) -> None:
        with translated():
            self._redis.zadd(REDIS_KEYS.stored_files(job.account), {job.id: job.created_at})

    def all(self, account: str) -> list[TaskState]:
        """Return the completed ones, newest first."""
        with translated():
            ids: list[str] = self._redis.zrevrange(REDIS_KEYS.stored_files(account), 0, self._keep + UNFINISHED_READ)
        states = {task_id: self._state(task_id, account) for task_id in ids}
        self._forget(account, [task_id for task_id, state in states.items() if state is None or _lost(state)])
        return [state for state in states.values() if state is not None and state.job.result is not None]

    def find(self, name: str, account: str) -> TaskState:
        """Return the task of a file. Raises NotFound for anything but the exact name of a listed one."""
        match = NAME.fullmatch(name)
        for task_id in self._submitted_in(match[1], account) if match else []:
            state = self._state(task_id, account) if match and task_id.startswith(match[2]) else None
            if state is not None and state.job.result is not None:
                return state
        raise NotFound(f"no file {name[:80]!r}; GET /files/ lists them")

    def _submitted_in(self, second: str, account: str) -> list[str]:
        """Return the tasks of one second, which is written as the names have it."""
        try:
            since = datetime.strptime(second, STAMP).replace(tzinfo=UTC).timestamp()
        except ValueError:  # no such day, or hour
            return []
        with translated():
            ids: list[str] = self._redis.zrangebyscore(REDIS_KEYS.stored_files(account), since, f"({since + 1}")
        return ids

    def trim(self, account: str) -> None:
        """Remove the oldest completed files beyond the cap, with their jobs' data."""
        for state in self.all(account)[self._keep :]:
            try:
                self._job_service.purge(state.job.id, account)
            except (NotFound, Conflict):
                continue
            self._forget(account, [state.job.id])

    def _state(self, task_id: str, account: str) -> TaskState | None:
        try:
            return self._job_service.get(task_id, account)
        except NotFound:
            return None

    def _forget(self, account: str, ids: list[str]) -> None:
        if ids:
            with translated():
                self._redis.zrem(REDIS_KEYS.stored_files(account), *ids)


def _lost(state: TaskState) -> bool:
    return state.job.status.ended and state.job.result is None


def stamp(job: Job) -> str:
    """Return when the job was submitted, in UTC, as the names have it: 20250528_134211."""
    return datetime.fromtimestamp(job.created_at, UTC).strftime(STAMP)


def file_name(job: Job) -> str:
    return f"gen_{stamp(job)}_{job.id[:8]}.wav"
