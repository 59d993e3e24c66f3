"""Assess a chaos run from the outside: what became of every job, and whether the promises held."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.client import SubmittedJob
from chaos.faults import Damage, Interruption
from chaos.plan import Plan
from chaos.receiver import Receiver
from shared.broker.keys import REDIS_KEYS

RECOVERY_P95_S = 15.0
Event = tuple[str, int, float]  # type, attempt, UNIX seconds


@dataclass
class Figures:
    """Hold a run's figures, as its one line of JSON has them."""

    jobs: int
    completed: int = 0
    lost: int = 0  # accepted, and not completed
    doubled: int = 0  # completed twice, or twice under one key, or another result later
    wrong_bytes: int = 0
    webhooks_missing: int = 0
    webhooks_doubled: int = 0  # delivered under more than one id
    kills: int = 0
    redis_restarts: int = 0
    storage_stops: int = 0
    recovery_p95_s: float = 0.0
    recovery_max_s: float = 0.0
    jobs_rerun: int = 0
    attempts_most: int = 0
    boot_s: float = 0.0
    kill_gap_s: float = 0.0
    seconds: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)

    def good(self, plan: Plan) -> bool:
        """Tell whether all promises held. Recovery time is promised for kills that leave time to boot."""
        wrong = self.lost + self.doubled + self.wrong_bytes + self.webhooks_missing + self.webhooks_doubled
        struck = (self.kills, self.redis_restarts, self.storage_stops)
        in_time = self.recovery_p95_s < RECOVERY_P95_S and self.kill_gap_s >= 2 * self.boot_s
        return (
            self.completed == self.jobs == plan.jobs
            and not wrong
            and struck == (plan.kills, plan.broker_kills, plan.storage_stops)
            and (in_time or plan.pace < 1)
        )


def read_events(redis: Any, task_id: str) -> list[Event]:
    """Read the job's event log, oldest first."""
    entries = redis.xrange(REDIS_KEYS.events(task_id))
    return [(entry["type"], int(entry.get("attempt", 0)), int(entry["at_ms"]) / 1000) for _, entry in entries]


def count_jobs(redis: Any) -> int:
    """Count all job records: one under each idempotency key, or one too many."""
    return sum(1 for _ in redis.scan_iter(REDIS_KEYS.job("*"), count=1000))


def recovery_s(interruption: Interruption, events: Sequence[Event]) -> float | None:
    """Return the seconds from the worker's death to the start of the next attempt; None if there was none."""
    starts = [at for kind, attempt, at in events if kind == "started" and attempt > interruption.attempt]
    return min(starts) - interruption.at if starts else None


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share lies at or below."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else 0.0


def assess(
    jobs: Sequence[SubmittedJob], reference: Mapping[int, str], receiver: Receiver, damage: Damage, redis: Any
) -> Figures:
    """Compute the figures. `reference` is the digest of each seed's audio where nothing was disturbed."""
    logs = {job.task_id: read_events(redis, job.task_id) for job in jobs}
    figures = Figures(len(jobs))
    figures.completed = sum(job.status == "completed" for job in jobs)
    figures.lost = len(jobs) - figures.completed
    figures.doubled = sum(_doubled(job, logs[job.task_id]) for job in jobs)
    for job in jobs:
        if job.status == "completed":
            figures.wrong_bytes += job.digest != reference.get(job.spec.seed)
            ids = receiver.delivered.get((job.task_id, "completed"), set())
            figures.webhooks_missing += not ids
            figures.webhooks_doubled += len(ids) > 1
    figures.jobs_rerun = sum(job.task.get("attempts", 0) > 1 for job in jobs)
    figures.attempts_most = max((job.task.get("attempts", 0) for job in jobs), default=0)
    figures.notes = {"webhooks_refused_once": len(receiver.refused), "bad_signatures": receiver.bad_signatures}
    _record_damage(figures, damage, [recovery_s(cut, logs[cut.task_id]) for cut in damage.interruptions])
    return figures


def _doubled(job: SubmittedJob, events: Sequence[Event]) -> bool:
    """Tell whether it was completed twice, or its audio has changed since."""
    return sum(kind == "completed" for kind, _, _ in events) > 1 or job.digest != job.digest_later


def _record_damage(figures: Figures, damage: Damage, recoveries: Sequence[float | None]) -> None:
    known = [seconds for seconds in recoveries if seconds is not None]
    figures.recovery_p95_s = round(percentile(known, 0.95), 2)
    figures.recovery_max_s = round(max(known, default=0.0), 2)
    figures.kills, figures.redis_restarts = damage.kills, damage.broker_kills
    figures.storage_stops, figures.kill_gap_s = damage.storage_stops, round(damage.mean_gap_s, 1)
    figures.notes |= {
        "attempts_interrupted": len(recoveries),
        "idle_kills": damage.idle_kills,
        "never_run_again": len(recoveries) - len(known),
    }
