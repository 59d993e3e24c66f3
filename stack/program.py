"""Run one child process with its own process group and log file (`Program`)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from stack import child_process


class ManagedProcess(Protocol):
    """Describe what a supervisor can start and stop: a Program, or the embedded broker."""

    @property
    def name(self) -> str: ...
    @property
    def log_path(self) -> Path: ...
    @property
    def grace_s(self) -> float: ...
    def start(self) -> object: ...
    def is_running(self) -> bool: ...
    def how_it_ended(self) -> str: ...
    def exit_code(self) -> int | None: ...  # as Popen tells it: minus the signal's number for one that was killed
    def request_stop(self) -> None: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...


@dataclass
class Program:
    """Run one command with its own process group and its own log file."""

    name: str
    command: Sequence[str]
    log_path: Path
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: Path | None = None
    grace_s: float = 10.0
    at_parent_death: signal.Signals = signal.SIGTERM
    spawn: Callable[..., child_process.Child] = child_process.spawn
    _process: child_process.Child | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it, perhaps again: the log goes on, so that it still says how the last run ended."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        if self._process is None:
            with contextlib.suppress(FileNotFoundError):  # the last run's log stays readable, older ones do not pile up
                self.log_path.replace(self.log_path.with_suffix(".old.log"))
        with self.log_path.open("ab") as log:
            self._process = self.spawn(
                self.command, output=log, env=self.env, cwd=self.cwd, at_parent_death=self.at_parent_death
            )

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def how_it_ended(self) -> str:
        return "did not start" if self._process is None else child_process.describe_end(self._process)

    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def request_stop(self) -> None:
        """Send SIGTERM to the leader alone: gunicorn and Celery stop their own children, in their own order."""
        if self._process is not None:
            self._process.terminate()

    def stop(self) -> None:
        self.request_stop()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self.grace_s)
        self.kill()

    def kill(self) -> None:
        """Kill the process group, also when the leader has left: it may have left a child behind."""
        if self._process is not None:
            child_process.signal_group(self._process, signal.SIGKILL)
            self._process.wait()
