"""`python -m bench.api`: submitting and polling, against the usual Flask + Celery AsyncResult design.

Both are served by gunicorn with the same settings on one embedded broker each, in turns; medians of the rounds. Then
the queue is filled over HTTP, and the slowest submissions at its beginning and at its end are compared. A table for
people, then one JSON line.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from rich.console import Console
from rich.progress import Progress

from bench import load
from bench.load import Load, Requests
from shared.connection import connect
from shared.job import Fingerprint, Result
from shared.jobstore import JobStore
from shared.settings import ROOT, Settings
from stack.broker import EmbeddedBroker
from stack.ports import free_port
from stack.processes import Supervisor
from stack.program import Program
from stack.services import what_is_missing

MODEL = "small"
CONNECTIONS = 16
PART = 5000  # submissions at either end of the filling that are compared


@dataclass
class Server:
    """One of the two designs, running."""

    name: str
    port: int
    broker: EmbeddedBroker
    submit_path: str
    accepted: int

    @property
    def settings(self) -> Settings:
        return Settings(_env_file=None, redis_url=self.broker.url, max_queue_length=10**9)  # type: ignore[call-arg]

    def submit(self, number: int) -> bytes:
        return load.post(self.submit_path, {"prompt": f"calm piano {number}", "duration": 8.0, "temperature": 0.9})

    def bytes_used(self) -> int:
        return int(redis.Redis.from_url(self.broker.url).info("memory")["used_memory"])

    def empty(self) -> None:
        redis.Redis.from_url(self.broker.url).flushall()


@contextlib.contextmanager
def servers(folder: Path, console: Console) -> Iterator[tuple[Server, Server]]:
    with Supervisor(lambda line: None) as supervisor:
        brokers = [EmbeddedBroker(folder / name) for name in ("ours", "peer")]
        for broker in brokers:
            supervisor.start(broker, stop_stage=1)
        ours = Server("ostinato", free_port(), brokers[0], "/tasks", 202)
        peer = Server("tutorial", free_port(), brokers[1], "/generate-async", 200)
        for server, app in ((ours, "api.wsgi:app"), (peer, "bench.tutorial:app")):
            supervisor.start(gunicorn(app, server, folder))
        with console.status("starting both servers"):
            supervisor.wait_until_ready(lambda: _starting(ours) or _starting(peer), timeout_s=60)
        yield ours, peer


def gunicorn(app: str, server: Server, folder: Path) -> Program:
    command = [sys.executable, "-m", "gunicorn", app, "--config", str(ROOT / "stack" / "gunicorn.conf.py")]
    environment = {
        "REDIS_URL": server.broker.url,
        "SERVED_MODELS": MODEL,
        "MAX_QUEUE_LENGTH": str(10**9),
        "RESULT_CACHE": "0",  # each request is a job of its own
        "LOCAL_STORAGE_PATH": str(folder / "audio"),
        "PYTHONPATH": str(ROOT),
    }
    return Program(
        server.name,
        [*command, "--bind", f"127.0.0.1:{server.port}"],
        log_path=folder / f"{server.name}.log",
        env=os.environ | environment,
        cwd=folder,
    )


def _starting(server: Server) -> str:
    missing = what_is_missing(f"http://127.0.0.1:{server.port}/health")
    return "" if not missing or missing.startswith("the API answers 404") else missing


def submit_one(server: Server) -> str:
    """The new task's id."""
    answer = load.run(server.port, server.submit, connections=1, expect=server.accepted, count=1)
    return str(json.loads(answer.bodies[0])["task_id"])


def complete_one(ours: Server, peer: Server) -> tuple[str, str]:
    """A finished task on each side, by each side's own means; their ids."""
    from bench.tutorial import celery_app

    store = JobStore(connect(ours.settings), ours.settings)
    task_id = submit_one(ours)
    while (job := store.claim(MODEL, "bench")) is not None:
        fingerprint = Fingerprint("0" * 64, "bench", "fp32", "cpu")
        store.complete(job, Result("results/a.wav", "audio/wav", 1, "0" * 64, 8.0, 32000, 1, 1.0, fingerprint))
        if job.id == task_id:
            break
    celery_app.conf.update(broker_url=peer.broker.url, result_backend=peer.broker.url)
    peer_id = submit_one(peer)
    outcome = {"success": True, "filename": "a.wav", "format": "wav", "sample_rate": 32000}
    celery_app.backend.store_result(peer_id, outcome, "SUCCESS")
    return task_id, peer_id


def in_turns(pairs: dict[str, tuple[Server, Requests, int]], rounds: int, seconds: float) -> dict[str, list[Load]]:
    """Each named load `rounds` times, the order turned around at every round."""
    loads: dict[str, list[Load]] = {name: [] for name in pairs}
    for number in range(rounds):
        for name in list(pairs)[:: 1 if number % 2 == 0 else -1]:
            server, requests, expect = pairs[name]
            loads[name].append(load.run(server.port, requests, connections=CONNECTIONS, expect=expect, seconds=seconds))
    return loads


def compare(
    ours: Server, peer: Server, rounds: int, seconds: float, console: Console
) -> tuple[dict[str, float], list[tuple[str, float, float]]]:
    """Ratios of the medians, and the rows of the table."""
    done = complete_one(ours, peer)
    queued = [submit_one(ours), submit_one(peer)]
    kinds: dict[str, dict[str, tuple[Server, Requests, int]]] = {
        "submit": {s.name: (s, s.submit, s.accepted) for s in (ours, peer)},
        "poll a waiting task": _polls(ours, peer, queued[0], queued[1]),
        "poll a finished task": _polls(ours, peer, *done),
    }
    rows, ratios = [], {}
    for kind, pairs in kinds.items():
        with console.status(f"{kind}: {rounds} rounds of {seconds:g} s each"):
            loads = in_turns(pairs, rounds, seconds)
        rates = {name: statistics.median(x.rate for x in found) for name, found in loads.items()}
        rows.append((kind, rates[ours.name], rates[peer.name]))
        ratios[kind] = rates[ours.name] / rates[peer.name]
    return ratios, rows


def _polls(ours: Server, peer: Server, our_id: str, peer_id: str) -> dict[str, tuple[Server, Requests, int]]:
    asks = {ours.name: load.get(f"/tasks/{our_id}"), peer.name: load.get(f"/tasks/{peer_id}")}
    return {s.name: (s, lambda _, ask=asks[s.name]: ask, 200) for s in (ours, peer)}  # type: ignore[misc]


def fill(ours: Server, jobs: int, console: Console) -> tuple[float, float]:
    """(p99 of submissions at a full queue over that at an empty one, bytes a queued job)."""
    ours.empty()
    before = ours.bytes_used()
    part = min(PART, jobs // 3)
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(f"filling the queue to {jobs:,}", total=jobs)
        filled = load.run(
            ours.port,
            ours.submit,
            connections=CONNECTIONS,
            expect=202,
            count=jobs,
            on_answer=lambda n: progress.update(bar, completed=n) if n % 500 == 0 else None,
        )
    first, last = filled.percentile_ms(99, slice(0, part)), filled.percentile_ms(99, slice(-part, None))
    console.print(f"submit p99: {first:.1f} ms into an empty queue, {last:.1f} ms at {jobs:,} waiting", highlight=False)
    return last / first, (ours.bytes_used() - before) / jobs


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.api", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one round")
    parser.add_argument("--jobs", type=int, default=100_000, help="how full the queue is made")
    arguments = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="bench-api-") as folder, servers(Path(folder), console) as (ours, peer):
        ratios, rows = compare(ours, peer, arguments.rounds, arguments.seconds, console)
        for kind, mine, theirs in rows:
            row = f"{kind:22} {mine:7.0f} /s   tutorial {theirs:7.0f} /s   {mine / theirs:5.2f} x"
            console.print(row, highlight=False)
        growth, bytes_each = fill(ours, arguments.jobs, console)
    console.print(f"{bytes_each:.0f} bytes a queued job", highlight=False)
    figures: dict[str, Any] = {
        "submit_ratio": ratios["submit"],
        "poll_ratio": min(ratios["poll a waiting task"], ratios["poll a finished task"]),
        "poll_ratio_waiting": ratios["poll a waiting task"],
        "poll_ratio_finished": ratios["poll a finished task"],
        "submit_p99_growth_100k": growth,
        "bytes_per_queued_job": round(bytes_each),
        "jobs": arguments.jobs,
    }
    print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}))


if __name__ == "__main__":
    main()
