"""The workers of a chaos run: how many, which lives, and how long each took to come up. Knows nothing of jobs.

Each life of a worker has a name of its own, so that an attempt can be told from one that the same worker's next life
makes.
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
class Life:
    """One life of a worker, from its start to its death."""

    name: str
    place: int
    program: Program
    started_at: float
    boot_s: float | None = None  # until it was ready to draw tickets


class Crew:
    """A part that a supervisor can stop. `hire` makes the program of a worker with that name."""

    name, grace_s = "workers", 10.0

    def __init__(self, count: int, hire: Callable[[str], Program], log_folder: Path) -> None:
        self.log_path = log_folder
        self.boots_s: list[float] = []
        self._count = count
        self._hire = hire
        self._registry: WorkerRegistry | None = None
        self._lives: dict[int, Life] = {}
        self._births = 0

    def start(self) -> None:
        for place in range(self._count):
            self._begin(place)

    def replace(self, name: str) -> float:
        """SIGKILL to this worker, and a new life in its place at once. Returns the UNIX time of the death."""
        life = self._named(name)
        life.program.kill()
        died_at = time.time()
        self._begin(life.place)
        return died_at

    def names(self) -> set[str]:
        return {life.name for life in self._lives.values()}

    def await_boot(self, registry: WorkerRegistry) -> None:
        """Raises ProgramFailed when one does not come up."""
        give_up_at = time.monotonic() + BOOT_TIMEOUT_S
        while not self.all_up():
            self.look(registry)
            for life in self._lives.values():
                if not life.program.is_running() or time.monotonic() > give_up_at:
                    raise ProgramFailed(life.name, life.program.how_it_ended(), life.program.log_path)
            time.sleep(0.1)

    def all_up(self) -> bool:
        return all(life.boot_s is not None for life in self._lives.values())

    def look(self, registry: WorkerRegistry) -> None:
        """Take note of the workers that have come up."""
        if self.all_up():
            return
        try:
            ready = {presence.worker: presence.started_at for presence in registry.live()}
        except BrokerUnavailable:
            return
        for life in [life for life in self._lives.values() if life.boot_s is None and life.name in ready]:
            life.boot_s = ready[life.name] - life.started_at
            self.boots_s.append(life.boot_s)

    @property
    def boot_s(self) -> float:
        """The mean of all boots."""
        return fmean(self.boots_s)

    @property
    def boot_now_s(self) -> float:
        """The mean of the last few: what else runs on the machine changes."""
        return fmean(self.boots_s[-LAST_BOOTS:])

    def is_running(self) -> bool:
        return any(life.program.is_running() for life in self._lives.values())

    def how_it_ended(self) -> str:
        return "were stopped"

    def exit_code(self) -> int | None:
        return None  # no process of its own

    def request_stop(self) -> None:
        for life in self._lives.values():
            life.program.request_stop()

    def kill(self) -> None:
        for life in self._lives.values():
            life.program.kill()

    def stop(self) -> None:
        self.request_stop()
        give_up_at = time.monotonic() + self.grace_s
        while self.is_running() and time.monotonic() < give_up_at:
            time.sleep(0.05)
        self.kill()

    def _named(self, name: str) -> Life:
        return next(life for life in self._lives.values() if life.name == name)

    def _begin(self, place: int) -> None:
        self._births += 1
        name = f"w{place}-{self._births}"
        program = self._hire(name)
        self._lives[place] = Life(name, place, program, time.time())
        program.start()
