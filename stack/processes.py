"""Child processes as one thing: started in order, watched together, stopped in order. Knows nothing of what they do.

Whatever ends it (Ctrl-C, SIGTERM, a closed terminal, a child that fails, an exception in the caller), `Supervisor`
stops all that it started, and only that: first those of the lowest stage, all at once, last those of the highest.
Each gets SIGTERM, its own grace, then SIGKILL; a second Ctrl-C cuts the grace short. If this process itself is killed,
the kernel ends the children (see stack.tether).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from stack import tether
from stack.errors import ProgramFailed

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STDOUT = 1
POLL_S = 0.05
READY_POLL_S = 0.2


class StopRequested(KeyboardInterrupt):
    """Somebody asked this process to end; raised in the main thread wherever it is."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Part(Protocol):
    """What a supervisor can hold: a Program, or the embedded broker."""

    @property
    def name(self) -> str: ...
    @property
    def log_path(self) -> Path: ...
    @property
    def grace_s(self) -> float: ...
    def start(self) -> object: ...
    def is_running(self) -> bool: ...
    def how_it_ended(self) -> str: ...
    def request_stop(self) -> None: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...


@dataclass
class Program:
    """One command with its own process group and its own log file."""

    name: str
    command: Sequence[str]
    log_path: Path
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: Path | None = None
    grace_s: float = 10.0
    at_parent_death: signal.Signals = signal.SIGTERM
    spawn: Callable[..., tether.Child] = tether.spawn
    _process: tether.Child | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # the last run's log stays readable, older ones do not pile up
            self.log_path.replace(self.log_path.with_suffix(".old.log"))
        with self.log_path.open("wb") as log:
            self._process = self.spawn(
                self.command, output=log, env=self.env, cwd=self.cwd, at_parent_death=self.at_parent_death
            )

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def how_it_ended(self) -> str:
        return "did not start" if self._process is None else tether.describe_end(self._process)

    def request_stop(self) -> None:
        """To the leader alone: gunicorn and Celery tell their own children, in their own order."""
        if self._process is not None:
            self._process.terminate()

    def stop(self) -> None:
        self.request_stop()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self.grace_s)
        self.kill()

    def kill(self) -> None:
        """The whole group, also when the leader has left: it may have left a child behind."""
        if self._process is not None:
            tether.signal_group(self._process, signal.SIGKILL)
            self._process.wait()


class Supervisor:
    def __init__(self, say: Callable[[str], None] = print) -> None:
        self._say = say
        self._stages: dict[int, list[Part]] = {}
        self._hurry = False
        # A closed terminal signals its session's leader alone; where that is `make` (`ssh -t`), make waits for us.
        self._has_terminal = os.isatty(STDOUT)
        self._former_handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            self._former_handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            for number, handler in self._former_handlers.items():
                signal.signal(number, handler)

    def start(self, part: Part, *, stop_stage: int = 0) -> None:
        # Known before it starts, so that a signal between the two cannot leave it running.
        self._stages.setdefault(stop_stage, []).append(part)
        part.start()

    def check(self) -> None:
        """Raises ProgramFailed if one of the parts has ended by itself, StopRequested if the terminal was closed."""
        if self._has_terminal and _has_hung_up(STDOUT):
            raise StopRequested(signal.SIGHUP)
        for part in self._parts():
            if not part.is_running():
                raise ProgramFailed(part.name, part.how_it_ended(), part.log_path)

    def wait_until_ready(
        self, missing: Callable[[], str], *, timeout_s: float, on_wait: Callable[[str, float], None] | None = None
    ) -> float:
        """Waits until `missing()` is empty; it says what is still missing. Returns the seconds that it took."""
        started_at = time.monotonic()
        while what := missing():
            self.check()
            waited_s = time.monotonic() - started_at
            if waited_s > timeout_s:
                raise ProgramFailed("the stack", f"was not ready after {timeout_s:.0f} s ({what})", self._newest_log())
            if on_wait is not None:
                on_wait(what, waited_s)
            time.sleep(READY_POLL_S)
        return time.monotonic() - started_at

    def watch(self) -> None:
        """Returns never: ends by ProgramFailed or by StopRequested."""
        while True:
            self.check()
            time.sleep(POLL_S)

    def stop(self) -> None:
        self._ignore_or_hurry()
        for stage in sorted(self._stages):
            self._stop_stage(self._stages.pop(stage))

    def _stop_stage(self, parts: Sequence[Part]) -> None:
        running = [part for part in parts if part.is_running()]
        if running:
            self._tell(f"stopping {', '.join(part.name for part in running)} ...")
        for part in running:
            part.request_stop()
        asked_at = time.monotonic()
        for part in running:
            while part.is_running() and time.monotonic() - asked_at < part.grace_s and not self._hurry:
                time.sleep(POLL_S)
            if part.is_running():
                self._tell(f"{part.name} did not end by itself: killed")
                part.kill()
        for part in parts:  # also those that had ended by themselves: what they left behind goes too
            part.stop()

    def _tell(self, line: str) -> None:
        """The reader may be gone (a closed terminal, `| head`), and that must not break off the stop."""
        with contextlib.suppress(OSError, SystemExit):
            self._say(line)

    def _parts(self) -> list[Part]:
        return [part for stage in self._stages.values() for part in stage]

    def _newest_log(self) -> Path:
        return self._parts()[-1].log_path

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        raise StopRequested(number)

    def _ignore_or_hurry(self) -> None:
        """From now on a signal no longer raises: the stop itself must not be torn apart halfway."""
        if self._former_handlers:
            for number in SIGNALS:
                signal.signal(number, self._on_signal_while_stopping)

    def _on_signal_while_stopping(self, number: int, frame: FrameType | None) -> None:
        self._hurry = True


def _has_hung_up(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))
