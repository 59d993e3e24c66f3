"""Start, kill and replace the worker processes of a chaos run, and measure how long each takes to come up.

Each process has a name of its own, so that its attempts can be told from those of its successor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from shared.errors import BrokerUnavailable
from shared.workers.registry import WorkerRegistry
from stack.errors import ProgramFailed
from stack.program import Program

BOOT_TIMEOUT_S = 900.0  # a machine with much else to do
LAST_BOOTS = 6


@dataclass
class WorkerProcess:
    """Track one worker process from its start to its death."""

    name: str
    index: int
    program: Program
    started_at: float
    boot_s: float | None = None  # until it was ready to draw tickets


class WorkerPool:
    """Run the workers as one process that a supervisor can stop. `make_program` makes the program of a named worker."""

    name, grace_s = "workers", 10.0

    def __init__(self, count: int, make_program: Callable[[str], Program], log_folder: Path) -> None:
        self.log_path = log_folder
        self.boots_s: list[float] = []
        self._count = count
        self._make_program = make_program
        self._registry: WorkerRegistry | None = None
        self._processes: dict[int, WorkerProcess] = {}
        self._births = 0

    def start(self) -> None:
        for index in range(self._count):
            self._begin(index)

    def replace(self, name: str) -> float:
        """Send this worker SIGKILL, and start its successor at once. Returns the UNIX time of the death."""
        process = self._named(name)
        process.program.kill()
        died_at = time.time()
        self._begin(process.index)
        return died_at

    def names(self) -> set[str]:
        return {process.name for process in self._processes.values()}

    def await_boot(self, registry: WorkerRegistry) -> None:
        """Wait until all are up. Raises ProgramFailed when one does not come up."""
        give_up_at = time.monotonic() + BOOT_TIMEOUT_S
        while not self.all_up():
            self.poll(registry)
            for process in self._processes.values():
                if not process.program.is_running() or time.monotonic() > give_up_at:
                    raise ProgramFailed(process.name, process.program.how_it_ended(), process.program.log_path)
            time.sleep(0.1)

    def all_up(self) -> bool:
        return all(process.boot_s is not None for process in self._processes.values())

    def poll(self, registry: WorkerRegistry) -> None:
        """Record the boot times of the workers that have come up."""
        if self.all_up():
            return
        try:
            ready = {record.worker: record.started_at for record in registry.live()}
        except BrokerUnavailable:
            return
        for process in self._processes.values():
            if process.boot_s is None and process.name in ready:
                process.boot_s = ready[process.name] - process.started_at
                self.boots_s.append(process.boot_s)

    @property
    def boot_s(self) -> float:
        """Return the mean of all boot times."""
        return fmean(self.boots_s)

    @property
    def boot_now_s(self) -> float:
        """Return the mean of the last few boot times: the machine's load changes."""
        return fmean(self.boots_s[-LAST_BOOTS:])

    def is_running(self) -> bool:
        return any(process.program.is_running() for process in self._processes.values())

    def how_it_ended(self) -> str:
        return "were stopped"

    def exit_code(self) -> int | None:
        return None  # no process of its own

    def request_stop(self) -> None:
        for process in self._processes.values():
            process.program.request_stop()

    def kill(self) -> None:
        for process in self._processes.values():
            process.program.kill()

    def stop(self) -> None:
        self.request_stop()
        give_up_at = time.monotonic() + self.grace_s
        while self.is_running() and time.monotonic() < give_up_at:
            time.sleep(0.05)
        self.kill()

    def _named(self, name: str) -> WorkerProcess:
        return next(process for process in self._processes.values() if process.name == name)

    def _begin(self, index: int) -> None:
        self._births += 1
        name = f"w{index}-{self._births}"
        program = self._make_program(name)
        self._processes[index] = WorkerProcess(name, index, program, time.time())
        program.start()
