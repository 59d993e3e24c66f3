"""Show what waits and runs, by model and priority, and by account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.jobs.reader import JobReader
from shared.music.priority import CLASSES
from shared.settings import Settings

READ_AT_MOST = 5000  # jobs of the lines, and as many that run, whose accounts are looked up


@dataclass(frozen=True)
class QueueState:
    """Hold the line of one model: jobs by priority, `parked` ones included, `blocked` ones beside it."""

    model: str
    waiting: Mapping[str, int]
    parked: int
    blocked: int
    running: int
    oldest_at: float | None  # UNIX seconds: when the longest waiting of those next in line was submitted


@dataclass(frozen=True)
class AccountLoad:
    """Count an account's jobs over all models; `concurrent`: how many may run at once, None for any number."""

    account: str
    waiting: int
    parked: int
    running: int
    concurrent: int | None


class QueueStates:
    """Read the lines. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, settings: Settings, root: str = ROOT_KEY) -> None:
        self._redis = commands_of(client)
        self._reader = JobReader(client, settings, root)
        self._keys = RedisKeys(root)

    def models(self) -> list[QueueState]:
        """Return the line of every model that ever had a job, by name."""
        oldest = self._reader.oldest()
        with translated():
            names = sorted(self._redis.smembers(self._keys.models()))
            pipe = self._redis.pipeline(transaction=False)
            for name in names:
                for priority in CLASSES:
                    pipe.zcard(self._keys.queue(priority, name))
                pipe.hmget(self._keys.queue_state(name), ("held", *(f"aside_{priority}" for priority in CLASSES)))
                pipe.zcard(self._keys.model_running(name))
            found = iter(pipe.execute())
        return [self._state(name, [next(found) for _ in range(len(CLASSES) + 2)], oldest) for name in names]

    @staticmethod
    def _state(model: str, replies: Sequence[Any], oldest: Mapping[str, float]) -> QueueState:
        *lengths, counts, running = replies
        blocked, *parked = (int(count or 0) for count in counts)
        waiting: dict[str, int] = {priority: lengths[n] + parked[n] for n, priority in enumerate(CLASSES)}
        return QueueState(model, waiting, sum(parked), blocked, running, oldest.get(model))

    def accounts(self) -> list[AccountLoad]:
        """Return the accounts with jobs that wait or run, those with the most first."""
        parked = self._parked()
        with translated():
            waiting = self._accounts_of([member.partition(":")[2] for member in self._queued()])
            running = self._accounts_of(self._redis.zrange(self._keys.leases(), 0, READ_AT_MOST - 1))
            accounts = sorted({*waiting, *parked, *running})
            limits = self._redis.hmget(self._keys.concurrency_limits(), accounts) if accounts else []
        loads = [
            AccountLoad(name, waiting[name] + parked[name], parked[name], running[name], int(limit) if limit else None)
            for name, limit in zip(accounts, limits, strict=True)
        ]
        return sorted(loads, key=lambda load: -(load.waiting + load.running))

    def _queued(self) -> list[str]:
        pipe = self._redis.pipeline(transaction=False)
        for name in self._redis.smembers(self._keys.models()):
            for priority in CLASSES:
                pipe.zrange(self._keys.queue(priority, name), 0, READ_AT_MOST - 1)
        return [member for members in pipe.execute() for member in members][:READ_AT_MOST]

    def _accounts_of(self, job_ids: Sequence[str]) -> Counter[str]:
        pipe = self._redis.pipeline(transaction=False)
        for job_id in job_ids:
            pipe.hget(self._keys.job(job_id), "account")
        return Counter(account for account in pipe.execute() if account)

    def _parked(self) -> Counter[str]:
        found = Counter[str]()
        with translated():
            accounts = sorted(self._redis.smembers(self._keys.parked_accounts()))
            for account in accounts:
                pipe = self._redis.pipeline(transaction=False)
                for which in self._redis.smembers(self._keys.parked_queues(account)):
                    priority, _, model = which.partition(" ")
                    pipe.zcard(self._keys.parked(priority, model, account))
                found[account] = sum(pipe.execute())
        return found
