"""Measure how well `eta_s` predicts the end of a task while many wait: `python -m bench.waiting`.

The complete stack runs (broker, API, Celery worker, local storage) on models/tiny. All tasks are sent at once, of
several lengths and priorities; then `GET /tasks` is asked for all of them again and again until the last has ended, and
every `eta_s` that was answered is compared with the time that the task really took from then on. A reading is good when
it is off by no more than 30 % of that, or by a second. A table, then one JSON line.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from bench.served import READY_TIMEOUT_S, services_of, temporary_folder
from stack.client import ENDED
from stack.errors import StackError
from stack.processes import Supervisor

MODEL = "tiny"
LENGTHS_S = (4, 8, 16)
PRIORITIES = ("high", "normal", "low")
GOOD_SHARE, GOOD_S = 0.3, 1.0
PAGE = 100  # tasks in one answer, at most


@dataclass(frozen=True)
class Reading:
    """Hold what was foretold of a task at a moment (UNIX seconds); `eta_s` None: that it could not be told yet."""

    task_id: str
    waiting: bool
    asked_at: float
    eta_s: float | None

    def error(self, ended_at: float) -> float | None:
        """Return the error as a share of the time that was really left; None when nothing was foretold."""
        left_s = max(ended_at - self.asked_at, 1e-3)
        return None if self.eta_s is None else abs(self.eta_s - left_s) / left_s

    def good(self, ended_at: float) -> bool:
        if self.eta_s is None:
            return False
        left_s = ended_at - self.asked_at
        return abs(self.eta_s - left_s) <= max(GOOD_SHARE * left_s, GOOD_S)


def send(http: httpx.Client, jobs: int, draw: random.Random) -> None:
    for number in range(jobs):
        fields = {"prompt": "calm piano", "duration": draw.choice(LENGTHS_S), "priority": draw.choice(PRIORITIES)}
        http.post("/tasks", json=fields | {"seed": number}).raise_for_status()


def read_all(http: httpx.Client, every_s: float, say: Callable[[str], None]) -> tuple[list[Reading], dict[str, float]]:
    """Return all readings until the last task has ended, and when each ended.

    Raises StackError when one does not complete.
    """
    readings: list[Reading] = []
    while True:
        asked_at = time.time()
        tasks = http.get("/tasks", params={"limit": PAGE}).raise_for_status().json()["tasks"]
        going_on = [task for task in tasks if task["status"] not in ENDED]
        if not going_on:
            break
        for task in going_on:
            readings.append(Reading(task["task_id"], task["position"] is not None, asked_at, task["eta_s"]))
        say(f"{len(tasks) - len(going_on)} of {len(tasks)} done")
        time.sleep(every_s)
    for task in tasks:
        if task["status"] != "completed":
            raise StackError(f"task {task['task_id']} {task['status']}: {task.get('error')}")
    return readings, {task["task_id"]: task["created_at"] + task["total_time"] for task in tasks}


def figures(readings: list[Reading], ended: dict[str, float]) -> dict[str, Any]:
    """Count for tasks that wait, and for those that run: readings, those without an estimate, good ones, the error."""
    line: dict[str, Any] = {}
    kinds: dict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        kinds["waiting" if reading.waiting else "running"].append(reading)
    for kind, own in kinds.items():
        errors = [error for r in own if (error := r.error(ended[r.task_id])) is not None]
        line[f"{kind}_readings"] = len(own)
        line[f"{kind}_untold"] = len(own) - len(errors)
        line[f"{kind}_within_30_percent"] = round(sum(r.good(ended[r.task_id]) for r in own) / max(1, len(errors)), 3)
        line[f"{kind}_median_error"] = round(statistics.median(errors), 3) if errors else None
    return line


def measure(args: argparse.Namespace, console: Console, folder: Path) -> dict[str, Any]:
    services = services_of(folder, MODEL, args.slots, RESULT_CACHE="0")

    def say(line: str) -> None:
        console.print(line, markup=False)

    with Supervisor(say) as supervisor:
        services.start(supervisor, say)
        supervisor.wait_until_ready(services.missing, timeout_s=READY_TIMEOUT_S)
        with httpx.Client(base_url=services.url, timeout=30.0, trust_env=False) as http:
            send(http, args.jobs, random.Random(args.seed))
            readings, ended = read_all(http, args.every, say)
    return {"jobs": args.jobs, "slots": args.slots} | figures(readings, ended)


def read_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=60, help=f"at most {PAGE}")
    parser.add_argument("--slots", type=int, default=4, help="pieces that are made at once")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two polls")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = read_arguments(argv)
    console = Console(highlight=False, soft_wrap=True)
    with temporary_folder() as folder:
        line = measure(args, console, folder)
    for kind in ("waiting", "running"):
        if f"{kind}_readings" in line:
            good, off = line[f"{kind}_within_30_percent"], line[f"{kind}_median_error"]
            console.print(
                f"{kind}: {100 * good:.0f} % of {line[f'{kind}_readings']} readings within 30 %; median {off}"
            )
    print(json.dumps(line))


if __name__ == "__main__":
    main()
