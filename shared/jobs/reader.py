"""Read the job records, each time in one round trip or two. Changes nothing but lists.

The keys are named in shared/broker/keys.py. The transitions are store.py's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import refuse_evicting, translated
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.broker.lua_scripts import LuaScripts
from shared.jobs.job import Job, Result, Status
from shared.jobs.priority_order import QueuePosition
from shared.jobs.snapshot import JobSnapshot, QueuedState, fields_of, job_from, queue_position_from, readable
from shared.music.priority import CLASSES
from shared.settings import Settings
from shared.workers.throughput import Throughput, throughput_of

RawRecord = Sequence[str] | Mapping[str, str]  # as HGETALL answers: a list of names and values, or by RESP3 a map

LISTED_AT_ONCE = 1000


class JobReader:
    """Read jobs. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, settings: Settings, root: str = ROOT_KEY) -> None:
        self._client, self._redis = client, commands_of(client)
        self._settings = settings
        self._keys = RedisKeys(root)
        self._scripts = LuaScripts(client, root)
        self._run = self._scripts.run

    def get(self, job_id: str) -> Job:
        """Raises NotFound."""
        with translated():
            fields = self._redis.hgetall(self._keys.job(job_id))
        return job_from(job_id, fields)

    def snapshot(self, job_id: str) -> JobSnapshot:
        """Return the job and its position in line, in one round trip. Raises NotFound.

        The record is read after the standing: what has left the line in between is seen as begun.
        """
        position, fields = self._scripts.run_before("queue_position", (job_id,), ("HGETALL", self._keys.job(job_id)))
        job = job_from(job_id, fields_of(fields))
        return JobSnapshot(job, queue_position_from(position) if job.status is Status.QUEUED else None)

    def records(
        self, job_ids: Sequence[str], placed: Sequence[str]
    ) -> tuple[list[RawRecord], dict[str, QueuePosition | None]]:
        """Read many records as they lie in Redis, empty where one is gone, and where `placed` jobs stand, in one go.

        A record is read after its standing: what has left the line in between is seen as begun.
        """
        commands = [("HGETALL", self._keys.job(job_id)) for job_id in job_ids]
        if not placed:
            return self._scripts.run_commands(*commands), {}
        positions, *records = self._scripts.run_before("queued_states", placed, *commands)
        read = {job_id: queue_position_from(flat) for job_id, (_, _, _, flat) in zip(placed, positions, strict=True)}
        return records, read

    def snapshots(self, job_ids: Sequence[str]) -> list[JobSnapshot | None]:
        """Return many jobs with their positions, in one round trip; None for a record that is gone or too new."""
        if not job_ids:
            return []
        records, standings = self.records(job_ids, job_ids)
        found: list[JobSnapshot | None] = []
        for job_id, fields in zip(job_ids, map(fields_of, records), strict=True):
            job = readable(job_id, fields) if fields else None
            waits = job is not None and job.status is Status.QUEUED
            found.append(None if job is None else JobSnapshot(job, standings[job_id] if waits else None))
        return found

    def throughput(self, model: str) -> Throughput:
        """Return what an estimate of the waiting time is made from."""
        return throughput_of(*self._run("throughput", model))

    def recent(self, account: str, *, limit: int, offset: int = 0, favourites: bool = False) -> list[Job]:
        """List the newest first. Entries whose record has expired are dropped from the list on the way."""
        key = self._listed(account, favourites)
        while True:
            with translated():
                ids = self._redis.zrevrange(key, offset, offset + limit - 1)
                pipe = self._redis.pipeline(transaction=False)
                for job_id in ids:
                    pipe.hgetall(self._keys.job(job_id))
                records = dict(zip(ids, pipe.execute(), strict=True))
                gone = [job_id for job_id, fields in records.items() if not fields]
                if not gone:
                    return [job for job_id, fields in records.items() if (job := readable(job_id, fields))]
                self._redis.zrem(key, *gone)

    def count(self, account: str, *, favourites: bool = False) -> int:
        with translated():
            return int(self._redis.zcard(self._listed(account, favourites)))

    def _listed(self, account: str, favourites: bool) -> str:
        return self._keys.favourites(account) if favourites else self._keys.account_jobs(account)

    def waiting(self) -> dict[str, int]:
        """Count the jobs that wait, per model, for every model that ever had one."""
        return {name: in_line + out_of_line for name, (in_line, out_of_line) in self._lengths().items()}

    def startable(self) -> dict[str, int]:
        """Count those of them that may be claimed: the others wait until a running one of their account has ended."""
        return {name: in_line for name, (in_line, _) in self._lengths().items()}

    def _lengths(self) -> dict[str, tuple[int, int]]:
        with translated():
            names = sorted(self._redis.smembers(self._keys.models()))
            pipe = self._redis.pipeline(transaction=False)
            for name in names:
                for priority in CLASSES:
                    pipe.zcard(self._keys.queue(priority, name))
                pipe.hmget(self._keys.queue_state(name), *(f"aside_{priority}" for priority in CLASSES))
            found = iter(pipe.execute())
            return {
                name: (sum(next(found) for _ in CLASSES), sum(int(count or 0) for count in next(found)))
                for name in names
            }

    def waiting_ids(self, model: str, account: str) -> list[str]:
        """Return an account's jobs that wait for that model."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for priority in CLASSES:
                pipe.zrange(self._keys.account_queue(priority, model, account), 0, -1)
                pipe.zrange(self._keys.parked(priority, model, account), 0, -1)
            return [member.partition(":")[2] for members in pipe.execute() for member in members]

    def waiting_for(self, account: str) -> dict[str, str | None]:
        """Return an account's jobs that have not begun, each with the id of its API key, if that is known.

        Of a piece for several instruments the whole stands for its parts.
        """
        key, found, at = self._keys.account_jobs(account), dict[str, str | None](), 0
        fields = ("status", "key_id")
        while True:
            with translated():
                ids = self._redis.zrange(key, at, at + LISTED_AT_ONCE - 1)
                pipe = self._redis.pipeline(transaction=False)
                for job_id in ids:
                    pipe.hmget(self._keys.job(job_id), fields)
                for job_id, values in zip(ids, pipe.execute(), strict=True):
                    job = dict(zip(fields, values, strict=True))
                    if job["status"] == Status.QUEUED:
                        found[job_id] = job["key_id"]
            if len(ids) < LISTED_AT_ONCE:
                return found
            at += LISTED_AT_ONCE

    def oldest(self) -> dict[str, float]:
        """Return, per model with waiting jobs, when the oldest of those next in line was submitted."""
        with translated():
            names = sorted(self._redis.smembers(self._keys.models()))
            pipe = self._redis.pipeline(transaction=False)
            for name in names:
                for priority in CLASSES:
                    pipe.zrange(self._keys.queue(priority, name), 0, 0)
            heads = [(name, member) for name, found in zip(_each_class(names), pipe.execute(), strict=True)
                     for member in found]  # fmt: skip
            for _, member in heads:
                pipe.hget(self._keys.job(member.partition(":")[2]), "created_ms")
            oldest: dict[str, float] = {}
            for (name, _), created_ms in zip(heads, pipe.execute(), strict=True):
                if created_ms is not None:
                    oldest[name] = min(oldest.get(name, float("inf")), int(created_ms) / 1000)
            return oldest

    def check(self) -> None:
        """Raises BrokerUnavailable when Redis is away, ConfigurationError when it could drop jobs."""
        refuse_evicting(self._client)

    def running(self) -> int:
        with translated():
            return int(self._redis.zcard(self._keys.leases()))

    def blocked(self) -> int:
        """Count the jobs that wait for other jobs, outside every line."""
        with translated():
            return int(self._redis.scard(self._keys.blocked()))

    def running_for(self, account: str) -> int:
        """Count the jobs of that account that run; those that share another's generation do not count."""
        with translated():
            return int(self._redis.scard(self._keys.account_running(account)))

    def running_on(self, worker: str) -> int:
        with translated():
            return int(self._redis.hlen(self._keys.worker_running(worker)))

    def is_drained(self, worker: str) -> bool:
        with translated():
            return bool(self._redis.sismember(self._keys.drained(), worker))

    def running_of(self, model: str) -> int:
        with translated():
            return int(self._redis.zcard(self._keys.model_running(model)))

    def statuses(self, job_ids: Sequence[str]) -> dict[str, Status | None]:
        """Return many jobs' statuses, in one round trip; None for a record that is gone."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for job_id in job_ids:
                pipe.hget(self._keys.job(job_id), "status")
            found = pipe.execute()
        return {job_id: Status(word) if word else None for job_id, word in zip(job_ids, found, strict=True)}

    def queued_states(self, job_ids: Sequence[str]) -> dict[str, QueuedState | None]:
        """Return where many jobs stand, in one round trip; None for a record that is gone."""
        if not job_ids:
            return {}
        states: dict[str, QueuedState | None] = dict.fromkeys(job_ids)
        for job_id, (status, model, audio_ms, position) in zip(
            job_ids, self._run("queued_states", *job_ids), strict=True
        ):
            if status:
                at = queue_position_from(position)
                states[job_id] = QueuedState(Status(status), model, int(audio_ms) / 1000, at.ahead() if at else None)
        return states

    def cached_results(self, cache_keys: Iterable[str]) -> list[Result]:
        """Return the results from which requests with those cache keys would be answered at once."""
        with translated():
            ids = self._redis.mget([self._keys.single_flight(cache_key) for cache_key in cache_keys])
            pipe = self._redis.pipeline(transaction=False)
            for job_id in {found for found in ids if found}:
                pipe.hget(self._keys.job(job_id), "result")
            return [Result.from_dict(json.loads(text)) for text in pipe.execute() if text]


def _each_class(names: Iterable[str]) -> list[str]:
    return [name for name in names for _ in CLASSES]
