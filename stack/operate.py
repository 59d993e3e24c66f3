"""Run an operator's command: `python -m stack.operate`, with the settings of the stack that runs here.

Where none runs, or REDIS_URL names another broker, the settings are the environment's, as a service reads them.

check                    whose settings these are; the models, the broker and the store, as a service finds them
adopt                    after Redis was replaced or emptied: the store's folder is this installation's alone
workers                  who is live, and what each runs
drain NAME [--wait]      let a worker claim nothing more; --wait until nothing runs there
undrain NAME             let it claim again (a restart does so too)
retry ID...              run a copy of each failed job, under the same seed
dead list                jobs that used up their attempts because their workers died
dead requeue ID...       run a copy of each
dead drop ID...          forget them
"""

from __future__ import annotations

import argparse
import functools
import subprocess
import sys
import time
from collections.abc import Callable

from shared.admin.audit_log import Actor
from shared.admin.operator import Operator
from shared.admin.worker_states import WorkerStates
from shared.broker.connection import connect
from shared.errors import ConfigurationError, OstinatoError, Unavailable
from shared.jobs.blob_references import BlobReferences
from shared.music.catalog import Catalog
from shared.settings import ROOT, Settings, read_environment, read_settings
from shared.storage import open_storage
from shared.workers.registry import WorkerRegistry
from stack.running import RunningStack, Shell, find_running
from stack.services import what_is_missing

WAIT_EVERY_S = 0.5


@functools.cache
def kernels_report(name: str) -> str:
    """Ask the worker's own code which kernels it takes, in a process of its own: nothing of torch is loaded here.

    Raises ConfigurationError for a name that this CPU does not run.
    """
    asked = [sys.executable, "-m", "worker.engine.native.choice", name]
    choice = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    if "ModuleNotFoundError" in choice.stderr:
        return "no worker is installed here"
    if choice.returncode:
        said = (choice.stdout or choice.stderr).strip().splitlines()
        raise ConfigurationError(
            f"KERNELS={name}: {said[-1] if said else 'no reason given'}; set one of these, or auto"
        )
    return choice.stdout.strip()


class Commands:
    """Run one command each: print what it did and return the exit status."""

    def __init__(self, settings: Settings, running: RunningStack | None = None) -> None:
        client = connect(settings)
        self._settings, self._running = settings, running
        self._operator, self._actor = Operator(client, settings), Actor.at_command_line()
        self._reader = self._operator.store.reader
        self._references = BlobReferences(client)
        self._registry = WorkerRegistry(client, settings)
        self._workers = WorkerStates(client, settings)

    def check(self) -> int:
        checks: dict[str, Callable[[], str]] = {
            "settings": self._whose,
            "models": self._models,
            "kernels": self._kernels,
            "broker": self._broker,
            "storage": self._storage,
        }
        if self._running is not None:
            checks["api"] = self._api
        faults = 0
        for name, check in checks.items():
            try:
                print(f"{name:8} {check()}", flush=True)
            except OstinatoError as error:
                faults += 1
                print(f"{name:8} FAULT {error}", flush=True)
        return 1 if faults else 0

    def _whose(self) -> str:
        running = self._running
        if running is None:
            return f"of this shell: no stack of `make up` runs in {read_environment(Shell).state_folder} on this broker"
        if running.unknown:
            names = ", ".join(running.unknown)
            raise ConfigurationError(f"{names}: set where the stack runs, and not kept; set it in this shell or `.env`")
        differences = ", ".join(running.differences())
        changed = f"; this shell says otherwise of {differences}, from a restart on" if differences else ""
        return f"of the stack that runs here (process {running.pid}){changed}"

    def _api(self) -> str:
        """Raises Unavailable."""
        assert self._running is not None
        if missing := what_is_missing(f"{self._running.url}/health/ready", self._running.certificate):
            raise Unavailable(f"{self._running.url}: {missing}")
        return f"{self._running.url} is ready"

    def _models(self) -> str:
        catalog, settings = Catalog(self._settings), self._settings
        names = settings.served_models or (settings.default_model,)
        return ", ".join(catalog.for_worker(name).name for name in names)

    def _kernels(self) -> str:
        """Raises ConfigurationError for kernels that this CPU does not run."""
        return kernels_report(self._settings.kernels)

    def _broker(self) -> str:
        self._reader.check()
        return f"answers and evicts nothing; {len(self._registry.live())} workers live"

    def _storage(self) -> str:
        storage = open_storage(self._settings)
        storage.check()
        others = set(storage.installations() or ()) - {self._references.installation()}
        shared = "; it is another Ostinato's, too: see `adopt`, or give each an S3_PREFIX of its own" if others else ""
        return f"{storage.own_location} can be written{shared}"

    def adopt(self) -> int:
        """Adopt the store's folder: what Redis does not know is cleaned from then on, so a person must confirm."""
        storage = open_storage(self._settings)
        storage.claim()
        storage.sign(self._references.installation())
        print(f"{storage.own_location} is this installation's alone: what its Redis does not know is deleted in time")
        return 0

    def workers(self) -> int:
        for state in self._workers.all():
            record = state.record
            how = record.fault or ("drained" if record.drained else "ready")
            print(f"{record.worker}  {record.model}  runs {len(state.lease_left_s)}  {how}")
        return 0

    def drain(self, worker: str, *, wait: bool) -> int:
        self._operator.drain(worker, self._actor)
        print(f"{worker} claims nothing more")
        while wait and (left := self._reader.running_on(worker)):
            print(f"{left} jobs still run there", flush=True)
            time.sleep(WAIT_EVERY_S)
        return 0

    def undrain(self, worker: str) -> int:
        self._operator.undrain(worker, self._actor)
        print(f"{worker} claims again")
        return 0

    def retry(self, ids: list[str]) -> int:
        for job_id in ids:
            print(f"{job_id} runs again as {self._operator.retry(job_id, self._actor).id}")
        return 0

    def dead_list(self) -> int:
        for letter in self._operator.dead_letters():
            job = letter.job
            when = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(letter.at))
            print(f"{job.id}  {when}  {job.model}  attempts {job.attempt}  {job.request.prompt[:60]!r}")
        return 0

    def dead_requeue(self, ids: list[str]) -> int:
        for job_id in ids:
            print(f"{job_id} runs again as {self._operator.requeue(job_id, self._actor).id}")
        return 0

    def dead_drop(self, ids: list[str]) -> int:
        for job_id in ids:
            self._operator.drop(job_id, self._actor)
            print(f"{job_id} dropped")
        return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser("stack.operate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("check")
    commands.add_parser("adopt")
    commands.add_parser("workers")
    drain = commands.add_parser("drain")
    drain.add_argument("worker")
    drain.add_argument("--wait", action="store_true")
    commands.add_parser("undrain").add_argument("worker")
    commands.add_parser("retry").add_argument("ids", nargs="+")
    dead = commands.add_parser("dead").add_subparsers(dest="dead", required=True)
    dead.add_parser("list")
    for name in ("requeue", "drop"):
        dead.add_parser(name).add_argument("ids", nargs="+")
    return top


def main(arguments: list[str]) -> int:
    asked = vars(parser().parse_args(arguments))
    name = "_".join(filter(None, (asked.pop("command"), asked.pop("dead", None))))
    try:
        running = find_running()
        status: int = getattr(Commands(running.settings if running else read_settings(), running), name)(**asked)
    except OstinatoError as error:
        print(error, file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
