"""Show the live workers: what each runs, how fast it is of late, and when it was last heard of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.settings import Settings
from shared.workers.registry import WorkerRecord, WorkerRegistry


@dataclass(frozen=True)
class WorkerState:
    """Hold a live worker.

    `lease_left_s`: of each job that it runs, the seconds until its lease ends. `seen_s_ago`: since it last renewed its
    record. `real_time_factor`: seconds of music that one of its slots made in a second, of late; None: nothing yet.
    """

    record: WorkerRecord
    lease_left_s: Mapping[str, float]
    seen_s_ago: float
    real_time_factor: float | None


class WorkerStates:
    """Read the states. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, settings: Settings, root: str = ROOT_KEY) -> None:
        self._redis = commands_of(client)
        self._registry = WorkerRegistry(client, settings, root)
        self._ttl_s = settings.presence_ttl_s
        self._keys = RedisKeys(root)

    def all(self) -> list[WorkerState]:
        """Return every live worker, by name."""
        records = self._registry.live()
        pipe = self._redis.pipeline(transaction=False)
        for record in records:
            pipe.pttl(self._keys.worker(record.worker)).hkeys(self._keys.worker_running(record.worker))
            pipe.lrange(self._keys.worker_throughput(record.worker), 0, -1)
        with translated():
            found = iter(pipe.execute())
        parts = [(record, next(found), next(found), next(found)) for record in records]
        leases = self._leases([job_id for _, _, ids, _ in parts for job_id in ids])
        return [
            WorkerState(
                record,
                {job_id: leases[job_id] for job_id in ids if job_id in leases},
                max(0.0, round(self._ttl_s - max(0, pttl) / 1000, 1)),
                _real_time_factor(runs),
            )
            for record, pttl, ids, runs in parts
        ]

    def _leases(self, job_ids: Sequence[str]) -> dict[str, float]:
        """Return the seconds that are left of each job's lease; a job that has none has just ended."""
        if not job_ids:
            return {}
        with translated():
            seconds, microseconds = self._redis.time()
            pipe = self._redis.pipeline(transaction=False)
            for job_id in job_ids:
                pipe.zscore(self._keys.leases(), job_id)
            ends = pipe.execute()
        now = seconds + microseconds / 1e6
        return {job_id: round(end / 1000 - now, 1) for job_id, end in zip(job_ids, ends, strict=True) if end}


def _real_time_factor(runs: Sequence[str]) -> float | None:
    """Read runs as complete.lua keeps them, `<audio ms>:<run ms>`."""
    pairs = [tuple(map(int, run.split(":"))) for run in runs]
    run_ms = sum(run for _, run in pairs)
    return round(sum(audio for audio, _ in pairs) / run_ms, 2) if run_ms else None
