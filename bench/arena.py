"""Let contestants run one at a time, each in a process of its own (`Arena`).

Who has replied is suspended: it takes no core until it is asked again. Its memory stays where it is, and so whoever
has waited longest is ended when a newcomer would find too little; asked again, it boots anew. One that dies, or does
not reply in time, is out for good, and the reason is kept.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from shared.settings import ROOT
from stack import child_process

ENDS_WITHIN_S = 10.0
DEATH_S = 5.0  # from the end of a process's output to its own


class ContestantFailed(Exception):
    """Say why a contestant is out."""


@dataclass(frozen=True)
class Entrant:
    """Name a contestant and the arguments of its program (bench/contestants)."""

    name: str  # as people read it
    arguments: tuple[str, ...]
    python: str = sys.executable


class _Running:
    """Hold a contestant's process, and talk to it."""

    def __init__(self, entrant: Entrant, log: Path, spawn: Callable[..., child_process.Child]) -> None:
        self.log = log
        command = [entrant.python, "-m", "bench.contestants", *entrant.arguments]
        given, self._words = os.pipe()
        self._replies, output = os.pipe()
        with log.open("wb") as errors, open(given, "rb") as read, open(output, "wb") as write:
            self._process = spawn(
                command, output=write, errors=errors, given=read, at_parent_death=signal.SIGKILL, cwd=ROOT
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, line: str, patience_s: float) -> dict[str, Any]:
        """Return the reply. Raises ContestantFailed for one that has died or has none in time, which ends it."""
        child_process.signal_group(self._process, signal.SIGCONT)
        try:
            with suppress(BrokenPipeError):  # it is dead, as the missing reply will say
                os.write(self._words, f"{line}\n".encode())
            reply: dict[str, Any] = json.loads(self._read_line(line, patience_s))
        except ContestantFailed:
            self.end()
            raise
        child_process.signal_group(self._process, signal.SIGSTOP)
        return reply

    def _read_line(self, asked: str, patience_s: float) -> bytes:
        give_up_at, line = time.monotonic() + patience_s, b""
        while not line.endswith(b"\n"):
            if not select.select([self._replies], [], [], max(0.0, give_up_at - time.monotonic()))[0]:
                raise ContestantFailed(f"had no reply to {asked!r} after {patience_s:.0f} s")
            if not (more := os.read(self._replies, 1 << 16)):
                raise ContestantFailed(self._why_dead())
            line += more
        return line

    def _why_dead(self) -> str:
        with suppress(Exception):
            self._process.wait(DEATH_S)
        said = self.log.read_text(errors="replace").strip().splitlines()
        return f"{child_process.describe_end(self._process)}{f': {said[-1][:200]}' if said else ''}"

    def end(self) -> None:
        child_process.signal_group(self._process, signal.SIGKILL)
        with suppress(Exception):
            self._process.wait(ENDS_WITHIN_S)
        for end in (self._words, self._replies):
            with suppress(OSError):
                os.close(end)
        self._words = self._replies = -1


class Arena:
    """Ask contestants, one at a time; in a `with`, at whose end they end."""

    def __init__(
        self, logs: Path, needs_bytes: int = 0, spawn: Callable[..., child_process.Child] | None = None
    ) -> None:
        """Keep logs in that folder. A newcomer needs `needs_bytes` of free memory."""
        self._logs, self._needs_bytes = logs, needs_bytes
        self._spawn = spawn or child_process.spawn
        self._running: dict[Entrant, _Running] = {}  # who has waited longest is first
        self._out: dict[Entrant, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for entrant in list(self._running):
            self.end(entrant)

    def ask(self, entrant: Entrant, line: str, patience_s: float) -> dict[str, Any]:
        """Return its reply to one line of its protocol; it is started when it does not run.

        Raises ContestantFailed for one that is out, now or since earlier.
        """
        if entrant in self._out:
            raise ContestantFailed(self._out[entrant])
        running = self._running.pop(entrant, None) or self._start(entrant)
        try:
            reply = running.ask(line, patience_s)
        except ContestantFailed as error:
            self._out[entrant] = str(error)
            raise
        except BaseException:
            running.end()
            raise
        self._running[entrant] = running
        return reply

    def pid_of(self, entrant: Entrant) -> int | None:
        """Return its process; None for one that does not run."""
        return self._running[entrant].pid if entrant in self._running else None

    def end(self, entrant: Entrant) -> None:
        """End its process; asked again, it boots anew."""
        if (running := self._running.pop(entrant, None)) is not None:
            running.end()

    def _start(self, entrant: Entrant) -> _Running:
        while self._running and psutil.virtual_memory().available < self._needs_bytes:
            self.end(next(iter(self._running)))
        log = self._logs / f"{entrant.name.replace(' ', '-')}.log"
        return _Running(entrant, log, self._spawn)
