"""Run `python -m chaos`: show progress, print a table and one JSON line, exit 0 when all promises held."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from chaos.assertions import RECOVERY_P95_S, Figures
from chaos.client import ClientGaveUp
from chaos.environment import Environment
from chaos.plan import Plan
from chaos.receiver import Receiver
from chaos.run import Progress, Run, Stuck
from stack.errors import StackError
from stack.up import report

LINE_EVERY_S = 20.0  # where there is no terminal to draw a bar on

log = logging.getLogger("chaos")


class ProgressReporter:
    """Show progress: a bar with the time left on a terminal, a line now and then elsewhere."""

    def __init__(self, bar: Bar | None) -> None:
        self._bar = bar
        self._phases: dict[str, TaskID] = {}
        self._next_line = 0.0

    def __call__(self, progress: Progress) -> None:
        if self._bar is not None:
            if progress.phase not in self._phases:
                self._phases[progress.phase] = self._bar.add_task(progress.phase, total=progress.total, damage="")
            self._bar.update(self._phases[progress.phase], completed=progress.done, damage=progress.damage)
        elif time.monotonic() > self._next_line or progress.done == progress.total:
            self._next_line = time.monotonic() + LINE_EVERY_S
            log.info("%s: %d of %d; %s", progress.phase, progress.done, progress.total, progress.damage)


@contextmanager
def open_reporter() -> Iterator[ProgressReporter]:
    if not sys.stdout.isatty():
        yield ProgressReporter(None)
        return
    columns = (TextColumn("{task.description:8}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, TimeRemainingColumn(), TextColumn("{task.fields[damage]}")) as bar:
        yield ProgressReporter(bar)


@contextmanager
def open_folder(keep: Path | None) -> Iterator[Path]:
    """Open the folder of the stack's data and logs, and remove it after the run, unless it is to be kept."""
    folder = keep or Path(tempfile.mkdtemp(prefix="ostinato-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def run_plan(plan: Plan, folder: Path, checkpoint: Path | None) -> Figures:
    log.info("starting broker, S3 server, API, housekeeping and %d workers", plan.workers)
    with Receiver() as receiver, Environment(folder, plan.workers, receiver.secret, checkpoint) as environment:
        log.info("workers up in %.0f s each; the faults begin", environment.worker_pool.boot_s)
        with open_reporter() as reporter:
            return Run(plan, environment, receiver, reporter).execute()


def show(figures: Figures, plan: Plan) -> None:
    table = Table("what", "figure", "wanted", title="Chaos")
    wanted = {
        "jobs": plan.jobs,
        "completed": plan.jobs,
        **dict.fromkeys(("lost", "doubled", "wrong_bytes", "webhooks_missing", "webhooks_doubled"), 0),
        "kills": plan.kills,
        "redis_restarts": plan.broker_kills,
        "storage_stops": plan.storage_stops,
        "recovery_p95_s": f"< {RECOVERY_P95_S:g}",
        "kill_gap_s": f">= {2 * figures.boot_s:.1f}",
    }
    for name, value in asdict(figures).items():
        if name != "notes":
            table.add_row(name, str(value), str(wanted.get(name, "")))
    Console().print(table)
    print(json.dumps({name: value for name, value in (asdict(figures) | figures.notes).items() if name != "notes"}))


def read_arguments() -> tuple[Plan, Path | None, Path | None]:
    plan = Plan()
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=plan.jobs)
    parser.add_argument("--kills", type=int, default=plan.kills, help="SIGKILLs that interrupt a running attempt")
    parser.add_argument("--broker-kills", type=int, default=plan.broker_kills)
    parser.add_argument("--storage-stops", type=int, default=plan.storage_stops)
    parser.add_argument("--workers", type=int, default=plan.workers)
    parser.add_argument("--pace", type=float, default=plan.pace, help="of gaps and outages; below 1 proves less")
    parser.add_argument("--seed", type=int, default=plan.seed, help="what is killed when, and the jobs' own seeds")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the stack's data and logs there")
    parser.add_argument("--checkpoint", type=Path, metavar="FOLDER", help="instead of a small random one")
    given = vars(parser.parse_args())
    keep, checkpoint = given.pop("keep"), given.pop("checkpoint")
    return Plan(**given), keep, checkpoint


def main() -> int:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stdout)
    logging.getLogger("chaos").setLevel(logging.INFO)
    plan, keep, checkpoint = read_arguments()
    try:
        with open_folder(keep) as folder:
            figures = run_plan(plan, folder, checkpoint)
    except StackError as error:
        report(error)
        return 1
    except (ClientGaveUp, Stuck) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("broken off; everything that was started is stopped", file=sys.stderr)
        return 130
    show(figures, plan)
    return 0 if figures.good(plan) else 1


if __name__ == "__main__":
    sys.exit(main())
