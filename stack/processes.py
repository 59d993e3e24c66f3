"""Supervise child processes: start them in order, restart those that end, stop them in order (`Supervisor`).

Whatever ends it (Ctrl-C, SIGTERM, a closed terminal, a child that fails, an exception in the caller), `Supervisor`
stops all that it started, and only that: first those of the lowest stage, all at once, last those of the highest.
Each gets SIGTERM, its own grace, then SIGKILL; a second Ctrl-C cuts the grace short. If this process itself is killed,
the kernel ends the children (see stack.child_process).

With a RestartPolicy a child that ended by itself is started again after a wait, which is told in one line, and only
repeated deaths end all. One death ends all without a policy, and where a child gives up (exit code above 0) before
everything was ready for the first time: its configuration is at fault.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from stack.errors import ProgramFailed, StackError
from stack.program import ManagedProcess
from stack.restarts import Lives, RestartPolicy

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STDOUT = 1
POLL_S = 0.05
READY_POLL_S = 0.2


class StopRequested(KeyboardInterrupt):
    """Say that this process was asked to end; raised in the main thread wherever it is."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Supervisor:
    """Start, watch and stop processes. `restarts` None: the first child that ends by itself ends all."""

    def __init__(self, say: Callable[[str], None] = print, restarts: RestartPolicy | None = None) -> None:
        self._say = say
        self._restarts = restarts
        self._stages: dict[int, list[ManagedProcess]] = {}
        self._lives: dict[int, Lives] = {}  # by the id() of their process
        self._was_ready = False
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

    def start(
        self, process: ManagedProcess, *, stop_stage: int = 0, was_useful: Callable[[float], bool] | None = None
    ) -> None:
        """Start a process. For `was_useful` see stack.restarts.Lives. Raises StackError when it cannot be started."""
        # Known before it starts, so that a signal between the two cannot leave it running.
        self._stages.setdefault(stop_stage, []).append(process)
        if self._restarts is not None:
            self._lives[id(process)] = Lives(self._restarts, was_useful)
        try:
            process.start()
        except OSError as error:
            raise StackError(f"{process.name} cannot be started: {error}") from error

    def check(self) -> None:
        """Start again what has ended by itself and is due. Call it often.

        Raises ProgramFailed for a process that has ended and is not to be started again, StopRequested if the terminal
        was closed.
        """
        if self._has_terminal and _has_hung_up(STDOUT):
            raise StopRequested(signal.SIGHUP)
        for process in self._processes():
            if not process.is_running():
                self._check_process(process)

    def _check_process(self, process: ManagedProcess) -> None:
        lives = self._lives.get(id(process))
        gave_up = not self._was_ready and (process.exit_code() or 0) > 0
        if lives is None or (lives.due_at is None and gave_up):
            raise ProgramFailed(process.name, process.how_it_ended(), process.log_path)
        if lives.due_at is None:
            self._note_end(process, lives, process.how_it_ended())
        elif lives.is_due():
            self._start_again(process, lives)

    def _start_again(self, process: ManagedProcess, lives: Lives) -> None:
        lives.begin()
        try:
            process.start()
        except (StackError, OSError) as error:
            how = error.what if isinstance(error, ProgramFailed) else f"cannot be started: {error}"
            self._note_end(process, lives, how)

    def _note_end(self, process: ManagedProcess, lives: Lives, how: str) -> None:
        """Report it in one line, and end what the dead one left behind: it may use the port that the next one needs."""
        wait_s = lives.end()
        process.kill()
        if wait_s is None:
            raise ProgramFailed(process.name, f"{how}, {lives.count()} times in a row", process.log_path)
        self._report(f"{process.name} {how}; starting it again in {wait_s:g} s (log {process.log_path})")

    def wait_until_ready(
        self, missing: Callable[[], str], *, timeout_s: float, on_wait: Callable[[str, float], None] | None = None
    ) -> float:
        """Wait until `missing()` is empty; it says what is still missing. Returns the seconds that it took."""
        started_at = time.monotonic()
        while what := missing():
            self.check()
            waited_s = time.monotonic() - started_at
            if waited_s > timeout_s:
                raise ProgramFailed("the stack", f"was not ready after {timeout_s:.0f} s ({what})", self._newest_log())
            if on_wait is not None:
                on_wait(what, waited_s)
            time.sleep(READY_POLL_S)
        self._was_ready = True
        return time.monotonic() - started_at

    def watch(self) -> None:
        """Watch forever: end by ProgramFailed or by StopRequested."""
        while True:
            self.check()
            time.sleep(POLL_S)

    def stop(self) -> None:
        self._ignore_or_hurry()
        for stage in sorted(self._stages):
            self._stop_stage(self._stages.pop(stage))

    def _stop_stage(self, processes: Sequence[ManagedProcess]) -> None:
        running = [process for process in processes if process.is_running()]
        if running:
            self._report(f"stopping {', '.join(process.name for process in running)} ...")
        for process in running:
            process.request_stop()
        asked_at = time.monotonic()
        for process in running:
            while process.is_running() and time.monotonic() - asked_at < process.grace_s and not self._hurry:
                time.sleep(POLL_S)
            if process.is_running():
                self._report(f"{process.name} did not end by itself: killed")
                process.kill()
        for process in processes:  # also those that had ended by themselves: what they left behind goes too
            process.stop()

    def _report(self, line: str) -> None:
        """Print a line. The reader may be gone (a closed terminal, `| head`), which must not stop a restart."""
        with contextlib.suppress(OSError, SystemExit):
            self._say(line)

    def _processes(self) -> list[ManagedProcess]:
        return [process for stage in self._stages.values() for process in stage]

    def _newest_log(self) -> Path:
        return self._processes()[-1].log_path

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        raise StopRequested(number)

    def _ignore_or_hurry(self) -> None:
        """Keep a signal from raising from now on: the stop itself must not be interrupted halfway."""
        if self._former_handlers:
            for number in SIGNALS:
                signal.signal(number, self._on_signal_while_stopping)

    def _on_signal_while_stopping(self, number: int, frame: FrameType | None) -> None:
        self._hurry = True


def _has_hung_up(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))
