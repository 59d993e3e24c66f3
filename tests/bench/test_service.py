"""The service's benchmark: turns, and what counts as its time. The stack itself is driven in tests/e2e."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest
from rich.console import Console

from bench.service import alternate, read_arguments, report, run_jobs
from stack.errors import StackError

pytestmark = pytest.mark.slow


def test_engine_and_service_take_turns_and_the_median_round_counts() -> None:
    order: list[str] = []
    engine, service = iter((9.0, 8.0, 4.0)), iter((10.0, 16.0, 5.0))

    def engine_alone() -> float:
        order.append("engine")
        return next(engine)

    def served() -> float:
        order.append("service")
        return next(service)

    taken = alternate(engine_alone, served, 3)
    assert order == ["engine", "service", "service", "engine", "engine", "service"]
    line = report(taken, read_arguments(["--duration", "2"]), Console(quiet=True))
    assert line["service_fraction"] == 0.8
    assert (line["engine_s"], line["service_s"], line["service_realtime_factor"]) == (8.0, 10.0, 3.2)


class Ends:
    """A service whose tasks end when they are first asked for; the last took longest."""

    def __init__(self, status: str = "completed") -> None:
        self.seeds: list[int] = []
        self._status = status

    def submit(self, fields: Mapping[str, Any]) -> str:
        self.seeds.append(fields["seed"])
        return str(len(self.seeds))

    def task(self, task_id: str) -> dict[str, Any]:
        return {"task_id": task_id, "status": self._status, "total_time": 10.0 * int(task_id), "error": "no"}


def test_the_services_time_is_by_the_jobs_own_records_and_every_seed_is_new() -> None:
    client, seeds = Ends(), count()
    for _ in range(2):
        assert run_jobs(client, seeds, 3, 1.0, poll_s=0.0) >= 30.0
    assert client.seeds == [0, 1, 2, 3, 4, 5]


def test_a_job_that_fails_is_no_figure() -> None:
    with pytest.raises(StackError, match="failed: no"):
        run_jobs(Ends("failed"), count(), 1, 1.0, poll_s=0.0)
