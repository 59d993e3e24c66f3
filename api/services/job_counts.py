"""Count the jobs of a model in each state. For responses, never to decide anything."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.counters import Counters
from shared.broker.keys import REDIS_KEYS
from shared.jobs.reader import JobReader


@dataclass(frozen=True)
class Counts:
    """Hold counts: `waiting` and `running` now, the others since the first start; `retried`: attempts made again."""

    waiting: int
    running: int
    completed: int
    failed: int
    retried: int


class JobCounter:
    def __init__(self, client: redis.Redis, reader: JobReader, counters: Counters) -> None:
        self._redis = commands_of(client)
        self._reader = reader
        self._counters = counters

    def of(self, model: str) -> Counts:
        """Raises BrokerUnavailable."""
        with translated():
            running = int(self._redis.zcard(REDIS_KEYS.model_running(model)))
        counts = self._counters.read()
        attempts = sum(counts.get(("attempts", model, how), 0) for how in ("failed", "lost"))
        failed = counts.get(("jobs", model, "failed"), 0)
        return Counts(
            waiting=self._reader.waiting().get(model, 0),
            running=running,
            completed=counts.get(("jobs", model, "completed"), 0),
            failed=failed,
            retried=max(0, attempts - failed),
        )
