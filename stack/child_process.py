"""Start child processes that cannot outlive their parent, however the parent dies.

`spawn` starts a command through this file run as a script. The script asks the kernel for a signal at the parent's
death (Linux: PR_SET_PDEATHSIG), checks that the parent is still there, and execs the command, so the process id
stays the same. A `preexec_fn` would do the same without the script, but it may deadlock in a program with threads.

Other systems have no such signal. There the script leaves a small process behind that watches two pipes and sends it:
one whose other end the parent has, which the kernel closes with it, and one whose other end the command has.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Protocol

PR_SET_PDEATHSIG = 1
KERNEL_SIGNALS = sys.platform == "linux"  # at a parent's death


class Child(Protocol):
    """Describe as much of a Popen as is needed to watch and to end a program."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def terminate(self) -> None: ...


class _Spawner:
    """Fork in one thread that lives as long as the process.

    The kernel's signal comes when the *thread* that forked ends, not the process, so a child started from a short-lived
    thread would die with that thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def call(self, start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        future: Future[subprocess.Popen[bytes]] = Future()

        def attempt() -> None:
            try:
                future.set_result(start())
            except BaseException as error:
                future.set_exception(error)

        self._ensure_thread()
        self._calls.put(attempt)
        return future.result()

    def _ensure_thread(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():  # not alive: we are a fork of the first owner
                self._thread = threading.Thread(target=self._serve, name="spawner", daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        while True:
            self._calls.get()()


class _Lifeline:
    """Hold a pipe's writing end until this process is gone; whoever has the reading end learns of that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner, self._reading = 0, -1

    def reading_end(self) -> int:
        with self._lock:
            if self._owner != os.getpid():  # the first call, or that of a fork, whose parent has the other pipe's end
                self._owner = os.getpid()
                self._reading, _ = os.pipe()  # neither is inherited by what is started without asking for it
            return self._reading


_spawner = _Spawner()
_lifeline = _Lifeline()


def spawn(
    command: Sequence[str],
    *,
    output: IO[bytes],
    errors: IO[bytes] | None = None,
    given: IO[bytes] | None = None,
    at_parent_death: signal.Signals = signal.SIGTERM,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a process group of its own, so that a Ctrl-C in the terminal reaches only the parent.

    Errors go where the output goes, and nothing is given to read, unless files are named for them.
    """
    lifelines = [] if KERNEL_SIGNALS else [_lifeline.reading_end()]
    pid_or_lifeline = f"{os.getpid()}" if KERNEL_SIGNALS else f"lifeline:{lifelines[0]}"
    wrapper = [sys.executable, "-I", "-S", __file__, str(int(at_parent_death)), pid_or_lifeline]
    return _spawner.call(
        lambda: subprocess.Popen(
            [*wrapper, *command],
            pass_fds=lifelines,
            stdin=given or subprocess.DEVNULL,
            stdout=output,
            stderr=errors or subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            process_group=0,
        )
    )


def signal_group(process: Child, number: signal.Signals) -> None:
    """Signal a process that `spawn` started and what it started in turn; nothing happens if all are gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def describe_end(process: Child) -> str:
    code = process.poll()
    if code is None:
        return "is running"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def die_with_parent(number: int, parent_pid: int) -> None:
    """Ask the kernel for that signal at the death of our parent, which is to be this one."""
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent_pid:  # the parent died before the kernel was asked
        sys.exit(1)


def be_watched(number: int, lifeline: int) -> None:
    """Have another process send us that signal when `lifeline` closes. It ends with us, and is no child of ours."""
    target = os.getpid()
    ended, open_while_alive = os.pipe()
    if (between := os.fork()) == 0:
        os.close(open_while_alive)
        if os.fork() == 0:
            _watch(target, number, lifeline, ended)
        os._exit(0)
    os.waitpid(between, 0)
    os.close(lifeline)
    os.close(ended)
    os.set_inheritable(open_while_alive, True)  # by the command that this process becomes


def _watch(target: int, number: int, lifeline: int, ended: int) -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # they go to the whole group
        signal.signal(ignored, signal.SIG_IGN)
    closed, _, _ = select.select([lifeline, ended], [], [])
    if ended not in closed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(target, number)


def main() -> None:
    number, parent, *command = sys.argv[1:]
    kind, _, lifeline = parent.rpartition(":")
    if kind:
        be_watched(int(number), int(lifeline))
    else:
        die_with_parent(int(number), int(parent))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
