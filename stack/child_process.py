"""Start child processes that cannot outlive their parent, however the parent dies.

`spawn` starts a command through this file run as a script. The script asks the kernel for a signal at the parent's
death (Linux: PR_SET_PDEATHSIG), checks that the parent is still there, and execs the command, so the process id
stays the same. A `preexec_fn` would do the same without the script, but it may deadlock in a program with threads.

On other systems than Linux there is no such signal: the child then outlives a parent killed with SIGKILL, and the
pid file that the broker keeps is the second net.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Protocol

PR_SET_PDEATHSIG = 1


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


_spawner = _Spawner()


def spawn(
    command: Sequence[str],
    *,
    output: IO[bytes],
    at_parent_death: signal.Signals = signal.SIGTERM,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a process group of its own, so that a Ctrl-C in the terminal reaches only the parent."""
    wrapper = [sys.executable, "-I", "-S", __file__, str(int(at_parent_death)), str(os.getpid())]
    return _spawner.call(
        lambda: subprocess.Popen(
            [*wrapper, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
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
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent_pid:  # the parent died before the kernel was asked
        sys.exit(1)


def main() -> None:
    number, parent_pid, *command = sys.argv[1:]
    die_with_parent(int(number), int(parent_pid))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
