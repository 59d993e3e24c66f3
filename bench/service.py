"""Measure sixteen jobs at once through HTTP and Celery, against the engine alone: `python -m bench.service`.

The complete stack runs (broker, API, Celery worker, local storage), on a random checkpoint of a published shape; the
engine alone is in this process, on the same checkpoint, with the same precision and slots. They take turns, and each is
idle while the other runs. Every job has a seed of its own, since the service may answer an equal request at once.
The service's time runs from the first request to the end of the last job, by the jobs' own records, the finished file
stored; clients meanwhile poll every task. A table, then one JSON line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.contestants.base import PROMPT
from bench.contestants.engine import generate_all
from bench.paired import measure_pair
from bench.served import READY_TIMEOUT_S, services_of, temporary_folder
from bench.shapes import SHAPES, write_musicgen
from stack.client import ENDED, Client
from stack.errors import StackError
from stack.processes import Supervisor
from worker.engine.engine import ContinuousBatchingEngine

MODEL = "small"  # the name that the stack serves the checkpoint under, whatever its shape
WARM_UP_S = 0.5


def run_jobs(client: Client, seeds: Iterator[int], jobs: int, duration_s: float, poll_s: float) -> float:
    """Return the seconds from the first request to the end of the last job.

    Raises StackError when one does not complete.
    """
    began_at = time.perf_counter()
    sent: dict[str, float] = {}  # task -> when it was accepted
    for seed in islice(seeds, jobs):
        task_id = client.submit({"prompt": PROMPT, "duration": duration_s, "seed": seed})
        sent[task_id] = time.perf_counter() - began_at
    ended: dict[str, dict[str, Any]] = {}
    while len(ended) < jobs:
        time.sleep(poll_s)
        for task_id in sent.keys() - ended.keys():
            task = client.task(task_id)
            if task["status"] in ENDED:
                ended[task_id] = task
    for task in ended.values():
        if task["status"] != "completed":
            raise StackError(f"task {task['task_id']} {task['status']}: {task.get('error')}")
    return max(sent[task_id] + float(task["total_time"]) for task_id, task in ended.items())


def alternate(engine_s: Callable[[], float], service_s: Callable[[], float], rounds: int) -> list[tuple[float, float]]:
    """Return the seconds of (engine, service), each round in the other order."""
    return [measure_pair(engine_s, service_s, number) for number in range(rounds)]


def measure(args: argparse.Namespace, console: Console, checkpoint: Path, folder: Path) -> list[tuple[float, float]]:
    model = {"MODEL_CHECKPOINTS": f"{MODEL}={checkpoint}", "PRECISION": args.precision}
    services = services_of(folder, MODEL, args.jobs, **model)

    def say(line: str) -> None:
        console.print(line, markup=False)

    with Supervisor(say) as supervisor:
        services.start(supervisor, say)
        engine = ContinuousBatchingEngine.load(checkpoint, precision=args.precision, slots=args.jobs)
        ready_s = supervisor.wait_until_ready(services.missing, timeout_s=READY_TIMEOUT_S)
        say(f"ready after {ready_s:.0f} s; {args.rounds} rounds of {args.jobs} pieces of {args.duration:g} s")
        with Client(services.url) as client:
            seeds = count()

            def engine_alone() -> float:
                began_at = time.perf_counter()
                generate_all(engine, args.jobs, args.duration)
                return time.perf_counter() - began_at

            def served() -> float:
                return run_jobs(client, seeds, args.jobs, args.duration, args.poll)

            generate_all(engine, args.jobs, WARM_UP_S)
            run_jobs(client, seeds, args.jobs, WARM_UP_S, args.poll)
            taken = alternate(engine_alone, served, args.rounds)
        engine.close()
    return taken


def report(taken: list[tuple[float, float]], args: argparse.Namespace, console: Console) -> dict[str, Any]:
    for number, (engine_alone_s, served_s) in enumerate(taken, 1):
        console.print(f"round {number}: engine alone {engine_alone_s:7.2f} s, through the service {served_s:7.2f} s")
    fraction = statistics.median(engine_alone_s / served_s for engine_alone_s, served_s in taken)
    console.print(f"the service reaches {100 * fraction:.0f} % of the engine's own throughput")
    line = {
        "service_fraction": round(fraction, 3),
        "jobs": args.jobs,
        "duration_s": args.duration,
        "rounds": len(taken),
    }
    line |= {"shape": args.shape, "precision": args.precision, "poll_s": args.poll}
    for name, seconds in (("engine", [a for a, _ in taken]), ("service", [s for _, s in taken])):
        line[f"{name}_s"] = round(statistics.median(seconds), 2)
        line[f"{name}_realtime_factor"] = round(args.jobs * args.duration / statistics.median(seconds), 2)
    return line


def read_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="small", choices=list(SHAPES))
    parser.add_argument(
        "--precision", default="int8", choices=["fp32", "int8"], help="int8: the harder one to keep up with"
    )
    parser.add_argument("--jobs", type=int, default=16)
    parser.add_argument("--duration", type=float, default=10.0, help="seconds of each piece")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--poll", type=float, default=2.0, help="every task is asked for this often, in seconds")
    parser.add_argument("--quick", action="store_true", help="2 s pieces, one round, under three minutes")
    args = parser.parse_args(argv)
    if args.quick:
        args.duration, args.rounds = min(args.duration, 2.0), 1
    return args


def main(argv: list[str] | None = None) -> None:
    args = read_arguments(argv)
    console = Console(highlight=False, soft_wrap=True)
    with temporary_folder() as folder:
        console.print(f"a random checkpoint of MusicGen-{args.shape}'s shape, {args.precision}")
        checkpoint = write_musicgen(args.shape, folder / "checkpoint")
        taken = measure(args, console, checkpoint, folder)
    print(json.dumps(report(taken, args, console)))


if __name__ == "__main__":
    main()
