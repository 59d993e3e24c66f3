"""Measure submitting and polling against the usual Flask + Celery AsyncResult design: `python -m bench.api`.

Both are served by gunicorn with the same settings on one embedded broker each, and compared by short rounds in turns
until the interval of their ratio is within a tenth (bench/paired.py), or the time is over. Then the line is filled, and
the slowest submissions to it are compared, again in turns, with those to an empty one on a broker of its own. A table
for people, then one JSON line; `..._interval` are the 95 % intervals.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import redis
from rich.console import Console
from rich.progress import Progress

from bench import load
from bench.load import Load, Requests
from bench.paired import Comparison, Ratio, tail_ratio, typical_ratio
from shared.broker.connection import connect
from shared.jobs.job import Fingerprint, Result
from shared.jobs.store import JobStore
from shared.settings import ROOT, Settings
from stack.broker import EmbeddedBroker
from stack.ports import free_port
from stack.processes import Supervisor
from stack.program import Program
from stack.services import what_is_missing

MODEL = "small"
CONNECTIONS = 16
WITHIN = 0.1  # how far an interval's ends may be from its ratio
AT_ONCE = 100  # submissions in each call that fills the line
SINGLY = 2000  # submissions by whose memory a queued job is weighed


@dataclass
class Server:
    """Describe one of the two designs, running."""

    name: str
    port: int
    broker: EmbeddedBroker
    submit_path: str
    accepted: int

    @property
    def settings(self) -> Settings:
        return Settings(_env_file=None, redis_url=self.broker.url, max_queue_length=10**9)

    def submit(self, number: int) -> bytes:
        return load.post(self.submit_path, {"prompt": f"calm piano {number}", "duration": 8.0, "temperature": 0.9})

    def bytes_used(self) -> int:
        return int(redis.Redis.from_url(self.broker.url).info("memory")["used_memory"])

    def empty(self) -> None:
        redis.Redis.from_url(self.broker.url).execute_command("FLUSHALL", "SYNC")  # memory is weighed after it


@contextlib.contextmanager
def servers(folder: Path, console: Console) -> Iterator[tuple[Server, Server, Server]]:
    """Start ours, ours once more with a line that stays empty, and the tutorial."""
    with Supervisor(lambda line: None) as supervisor:
        brokers = [EmbeddedBroker(folder / name) for name in ("ours", "empty", "peer")]
        for broker in brokers:
            supervisor.start(broker, stop_stage=1)
        ours = Server("ostinato", free_port(), brokers[0], "/tasks", 202)
        empty = Server("ostinato-empty", free_port(), brokers[1], "/tasks", 202)
        peer = Server("tutorial", free_port(), brokers[2], "/generate-async", 200)
        every = (ours, empty, peer)
        for server in every:
            supervisor.start(gunicorn("bench.tutorial:app" if server is peer else "api.wsgi:app", server, folder))
        with console.status("starting the servers"):
            supervisor.wait_until_ready(lambda: "".join(map(_starting, every)), timeout_s=90)
        yield every


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
    """Submit one task and return its id."""
    reply = load.run(server.port, server.submit, connections=1, expect=server.accepted, count=1)
    return str(json.loads(reply.bodies[0])["task_id"])


def complete_one(ours: Server, peer: Server) -> tuple[str, str]:
    """Finish a task on each side, by each side's own means; return their ids."""
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


def round_of(server: Server, requests: Requests, expect: int, seconds: float) -> Load:
    return load.run(server.port, requests, connections=CONNECTIONS, expect=expect, seconds=seconds)


def rate_of(server: Server, requests: Requests, expect: int, seconds: float) -> float:
    return round_of(server, requests, expect, seconds).rate


def compare(ours: Server, peer: Server, seconds: float, budget_s: float, console: Console) -> dict[str, Ratio]:
    """Return how many times as many requests a second ours answers, by kind."""
    done = complete_one(ours, peer)
    queued = submit_one(ours), submit_one(peer)
    kinds: dict[str, list[tuple[Server, Requests, int]]] = {
        "submit": [(s, s.submit, s.accepted) for s in (ours, peer)],
        "poll a waiting task": _polls(ours, peer, *queued),
        "poll a finished task": _polls(ours, peer, *done),
    }
    ratios = {}
    for kind, sides in kinds.items():
        one, other = (partial(rate_of, *side, seconds) for side in sides)
        with console.status(f"{kind}: rounds of {seconds:g} s in turns, {budget_s:g} s at most"):
            ratios[kind] = Comparison(one, other, typical_ratio).run(within=WITHIN, budget_s=budget_s)
        console.print(f"{kind:22} {ratios[kind]} as many a second as the tutorial", highlight=False)
    return ratios


def _polls(ours: Server, peer: Server, our_id: str, peer_id: str) -> list[tuple[Server, Requests, int]]:
    asks = [(ours, load.get(f"/tasks/{our_id}")), (peer, load.get(f"/tasks/{peer_id}"))]
    return [(server, _always(ask), 200) for server, ask in asks]


def _always(ask: bytes) -> Requests:
    return lambda _: ask


def weigh(ours: Server) -> float:
    """Return the bytes of the broker's memory for a queued job."""
    ours.empty()
    before = ours.bytes_used()
    load.run(ours.port, ours.submit, connections=CONNECTIONS, expect=202, count=SINGLY)
    return (ours.bytes_used() - before) / SINGLY


def fill(ours: Server, jobs: int, console: Console) -> None:
    """Submit that many jobs, a hundred in each call."""

    def batch(number: int) -> bytes:
        requests = [{"prompt": f"calm piano {number} {n}", "duration": 8.0} for n in range(AT_ONCE)]
        return load.post("/tasks/batch", {"requests": requests})

    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(f"filling the line to {jobs:,}", total=jobs)
        load.run(
            ours.port,
            batch,
            connections=4,
            expect=202,
            count=-(-jobs // AT_ONCE),
            on_reply=lambda n: progress.update(bar, completed=n * AT_ONCE),
        )


def growth(ours: Server, empty: Server, seconds: float, budget_s: float, console: Console) -> Ratio:
    """Return how many times as long the slowest 1 % of submissions take in a full line as in an empty one."""

    def into_empty() -> list[float]:
        empty.empty()
        return round_of(empty, empty.submit, 202, seconds).latencies

    def into_full() -> list[float]:
        return round_of(ours, ours.submit, 202, seconds).latencies

    with console.status(f"submitting to the full and to an empty line in turns, {budget_s:g} s at most"):
        return Comparison(into_full, into_empty, tail_ratio, draws=200).run(within=WITHIN, budget_s=budget_s)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.api", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one round")
    parser.add_argument("--budget", type=float, default=90.0, help="seconds for each comparison at most")
    parser.add_argument("--jobs", type=int, default=100_000, help="how full the line is made")
    arguments = parser.parse_args()
    console = Console()
    how = (arguments.seconds, arguments.budget, console)
    with tempfile.TemporaryDirectory(prefix="bench-api-") as folder, servers(Path(folder), console) as every:
        ours, empty, peer = every
        ratios = compare(ours, peer, *how)
        bytes_each = weigh(ours)
        fill(ours, arguments.jobs, console)
        grown = growth(ours, empty, *how)
    console.print(f"submit p99, {arguments.jobs:,} waiting: {grown} that of an empty line", highlight=False)
    console.print(f"{bytes_each:.0f} bytes a queued job", highlight=False)
    print(json.dumps(figures(ratios, grown, bytes_each, arguments.jobs)))


def figures(ratios: dict[str, Ratio], grown: Ratio, bytes_each: float, jobs: int) -> dict[str, Any]:
    """Return the JSON line."""
    names = {
        "submit_ratio": ratios["submit"],
        "poll_ratio_waiting": ratios["poll a waiting task"],
        "poll_ratio_finished": ratios["poll a finished task"],
        "submit_p99_growth_100k": grown,
    }
    reported: dict[str, Any] = {name: round(ratio.value, 3) for name, ratio in names.items()}
    reported |= {f"{name}_interval": [round(ratio.low, 3), round(ratio.high, 3)] for name, ratio in names.items()}
    reported["poll_ratio"] = min(reported["poll_ratio_waiting"], reported["poll_ratio_finished"])
    return reported | {"bytes_per_queued_job": round(bytes_each), "jobs": jobs}


if __name__ == "__main__":
    main()
