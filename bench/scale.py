"""Measure how many claims a second the queue gives, with 1 to 64 simulated workers: `python -m bench.scale`.

Each simulated worker is a thread that claims, renews once and completes, as fast as it can, on a real embedded broker;
threads are spread over a few processes. Two figures a row: what the workers got, and what the server alone could give,
from the server's own time for a claim (a thread of Python spends longer on a claim than the server does).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from rich.console import Console

from shared.broker.connection import connect
from shared.jobs.acceptance import NewJob, SubmitContext
from shared.jobs.job import Fingerprint, Job, Result, Stage, new_id
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from stack.broker import EmbeddedBroker

MODEL = "small"
RESULT = Result(
    "results/a.wav", "audio/wav", 1, "0" * 64, 8.0, 32000, 1, 1.0, Fingerprint("0" * 64, "b", "fp32", "cpu")
)


def settings_for(url: str) -> Settings:
    return Settings(_env_file=None, redis_url=url, max_queue_length=10**9, result_ttl_s=60)


def open_store(url: str, threads: int = 1) -> JobStore:
    settings = settings_for(url)
    return JobStore(connect(settings, name="bench", at_once=threads), settings)


def work(store: JobStore, name: str, until: float) -> int:
    """Simulate one worker, and return how many jobs it completed."""
    completed = 0
    while time.monotonic() < until and (job := store.claim(MODEL, name)) is not None:
        store.renew(job, Stage.RUNNING, 1, 2)
        store.complete(job, RESULT)
        completed += 1
    return completed


def process(url: str, names: list[str], seconds: float, started: Any, completed: Any) -> None:
    """Run some of the workers, as threads of one process."""
    store = open_store(url, len(names))
    started.wait()
    until = time.monotonic() + seconds
    counts: list[int] = []
    threads = [threading.Thread(target=lambda name=name: counts.append(work(store, name, until))) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    completed.put(sum(counts))


def submit(url: str, jobs: int, account: str) -> None:
    store = open_store(url)
    request = MusicRequest.model_validate({"prompt": "calm piano", "model": MODEL, "seed": 1})
    for _ in range(jobs):
        job = Job(new_id(), MODEL, request, account, "bench")
        store.accept([NewJob.of(job, None, None)], SubmitContext(account, "bench"))


@dataclass(frozen=True)
class Row:
    workers: int
    claims_per_s: float
    server_claims_per_s: float  # were there nothing but claims


def measure(broker: EmbeddedBroker, workers: int, jobs: int, seconds: float) -> Row:
    """Submit fresh jobs, then run all workers at once."""
    client: Any = connect(settings_for(broker.url))
    client.flushall()
    _together([multiprocessing.Process(target=submit, args=(broker.url, jobs // 2, str(n))) for n in range(2)])
    processes = min(workers, os.cpu_count() or 1)
    names = [f"worker-{n}" for n in range(workers)]
    started = multiprocessing.Event()
    completed: Queue[int] = multiprocessing.Queue()
    running = [
        multiprocessing.Process(target=process, args=(broker.url, names[n::processes], seconds, started, completed))
        for n in range(processes)
    ]
    for each in running:
        each.start()
    time.sleep(0.5)
    client.config_resetstat()
    since = time.monotonic()
    started.set()
    total = sum(completed.get() for _ in running)
    took = time.monotonic() - since
    for each in running:
        each.join()
    return Row(workers, total / took, _server_rate(client))


def _server_rate(client: Any) -> float:
    """Return a third of what the server could run: one claim, one renewal and one completion are three scripts."""
    stats = client.info("commandstats")["cmdstat_evalsha"]
    return float(1e6 / stats["usec_per_call"] / 3)


def _together(processes: list[multiprocessing.Process]) -> None:
    for each in processes:
        each.start()
    for each in processes:
        each.join()


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.scale", description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--jobs", type=int, default=20_000, help="waiting at the start of each row")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a row, unless the jobs run out")
    arguments = parser.parse_args()
    console = Console()
    console.print("workers   claims/s   the server alone could give")
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as folder, EmbeddedBroker(Path(folder)) as broker:
        for workers in arguments.workers:
            row = measure(broker, workers, arguments.jobs, arguments.seconds)
            rows.append(row)
            console.print(f"{row.workers:7} {row.claims_per_s:10.0f} {row.server_claims_per_s:12.0f}", highlight=False)
    best = max(rows, key=lambda row: row.claims_per_s)
    figures = {
        "claims_per_s": round(best.claims_per_s),
        "at_workers": best.workers,
        "server_claims_per_s": round(best.server_claims_per_s),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
