"""Child processes as one thing: started in order, watched together, stopped in order. Knows nothing of what they do.

Whatever ends it (Ctrl-C, SIGTERM, a closed terminal, a child that fails, an exception in the caller), `Supervisor`
stops all that it started, and only that: first those of the lowest stage, all at once, last those of the highest.
Each gets SIGTERM, its own grace, then SIGKILL; a second Ctrl-C cuts the grace short. If this process itself is killed,
the kernel ends the children (see stack.child_process).

With a RestartPolicy a child that ended by itself is started again after a wait, which is told in one line, and only
repeated deaths end the whole. One death ends it without a policy, and where a child gives up (exit code above 0) before
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
from stack.program import Part
from stack.restarts import Lives, RestartPolicy

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STDOUT = 1
POLL_S = 0.05
READY_POLL_S = 0.2


class StopRequested(KeyboardInterrupt):
    """Somebody asked this process to end; raised in the main thread wherever it is."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Supervisor:
    """`restarts` None: the first child that ends by itself ends the whole."""

    def __init__(self, say: Callable[[str], None] = print, restarts: RestartPolicy | None = None) -> None:
        self._say = say
        self._restarts = restarts
        self._stages: dict[int, list[Part]] = {}
        self._lives: dict[int, Lives] = {}  # by the id() of their part
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

    def start(self, part: Part, *, stop_stage: int = 0, was_useful: Callable[[float], bool] | None = None) -> None:
        """For `was_useful` see stack.restarts.Lives. Raises StackError when the part cannot be started."""
        # Known before it starts, so that a signal between the two cannot leave it running.
        self._stages.setdefault(stop_stage, []).append(part)
        if self._restarts is not None:
            self._lives[id(part)] = Lives(self._restarts, was_useful)
        try:
            part.start()
        except OSError as error:
            raise StackError(f"{part.name} cannot be started: {error}") from error

    def check(self) -> None:
        """Start again what has ended by itself and is due. To be called often.

        Raises ProgramFailed for a part that has ended and is not to be started again, StopRequested if the terminal was
        closed.
        """
        if self._has_terminal and _has_hung_up(STDOUT):
            raise StopRequested(signal.SIGHUP)
        for part in self._parts():
            if not part.is_running():
                self._look_after(part)

    def _look_after(self, part: Part) -> None:
        lives = self._lives.get(id(part))
        gave_up = not self._was_ready and (part.exit_code() or 0) > 0
        if lives is None or (lives.due_at is None and gave_up):
            raise ProgramFailed(part.name, part.how_it_ended(), part.log_path)
        if lives.due_at is None:
            self._note_end(part, lives, part.how_it_ended())
        elif lives.is_due():
            self._start_again(part, lives)

    def _start_again(self, part: Part, lives: Lives) -> None:
        lives.begin()
        try:
            part.start()
        except (StackError, OSError) as error:
            how = error.what if isinstance(error, ProgramFailed) else f"cannot be started: {error}"
            self._note_end(part, lives, how)

    def _note_end(self, part: Part, lives: Lives, how: str) -> None:
        """Tell it in one line, and end what the dead one left behind: it may hold the port that the next one needs."""
        wait_s = lives.end()
        part.kill()
        if wait_s is None:
            raise ProgramFailed(part.name, f"{how}, {lives.count()} times in a row", part.log_path)
        self._tell(f"{part.name} {how}; starting it again in {wait_s:g} s (log {part.log_path})")

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
        self._was_ready = True
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
        """The reader may be gone (a closed terminal, `| head`); that must break off neither a restart nor the stop."""
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
