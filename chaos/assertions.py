"""What a chaos run shows: what became of every job, told from the outside. Breaks nothing and starts nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.client import Order
from chaos.faults import Damage, Interruption
from chaos.plan import Plan
from chaos.receiver import Receiver
from shared.broker.connection import ROOT_KEY

RECOVERY_P95_S = 15.0
Event = tuple[str, int, float]  # type, attempt, UNIX seconds


@dataclass
class Figures:
    """The one line of JSON. All but the last few are what the issue of promises asks for."""

    jobs: int
    completed: int = 0
    lost: int = 0  # accepted, and not completed
    doubled: int = 0  # completed twice, or twice under one key, or another result later
    wrong_bytes: int = 0
    webhooks_missing: int = 0
    webhooks_doubled: int = 0  # told under more than one id
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
        """Whether all promises held. How soon a job runs again is promised for kills that leave time to boot."""
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
    """What the job's own log says, oldest first."""
    entries = redis.xrange(f"{ROOT_KEY}:events:{task_id}")
    return [(said["type"], int(said.get("attempt", 0)), int(said["at_ms"]) / 1000) for _, said in entries]


def count_jobs(redis: Any) -> int:
    """Every record there is: one job under each key, or one too many."""
    return sum(1 for _ in redis.scan_iter(f"{ROOT_KEY}:job:*", count=1000))


def recovery_s(interruption: Interruption, events: Sequence[Event]) -> float | None:
    """From the death of the worker to the start of the next attempt."""
    starts = [at for kind, attempt, at in events if kind == "started" and attempt > interruption.attempt]
    return min(starts) - interruption.at if starts else None


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share lies at or below."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else 0.0


def judge(
    orders: Sequence[Order], reference: Mapping[int, str], receiver: Receiver, damage: Damage, redis: Any
) -> Figures:
    """`reference` is the digest of each seed's audio where nothing was disturbed."""
    logs = {order.task_id: read_events(redis, order.task_id) for order in orders}
    figures = Figures(len(orders))
    figures.completed = sum(order.status == "completed" for order in orders)
    figures.lost = len(orders) - figures.completed
    figures.doubled = sum(_doubled(order, logs[order.task_id]) for order in orders)
    for order in orders:
        if order.status == "completed":
            figures.wrong_bytes += order.digest != reference.get(order.wish.seed)
            ids = receiver.told.get((order.task_id, "completed"), set())
            figures.webhooks_missing += not ids
            figures.webhooks_doubled += len(ids) > 1
    figures.jobs_rerun = sum(order.task.get("attempts", 0) > 1 for order in orders)
    figures.attempts_most = max((order.task.get("attempts", 0) for order in orders), default=0)
    figures.notes = {"webhooks_refused_once": len(receiver.refused), "bad_signatures": receiver.bad_signatures}
    _tell_damage(figures, damage, [recovery_s(cut, logs[cut.task_id]) for cut in damage.interruptions])
    return figures


def _doubled(order: Order, events: Sequence[Event]) -> bool:
    """Whether it was completed twice, or its audio is another one now than it was at its end."""
    return sum(kind == "completed" for kind, _, _ in events) > 1 or order.digest != order.digest_later


def _tell_damage(figures: Figures, damage: Damage, recoveries: Sequence[float | None]) -> None:
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
