"""Fork processes that have the heavy libraries loaded, so that a test can afford to start a worker.

Nine tenths of a worker's start are the import of torch, audiocraft and transformers. The fork server is one process
that has imported them; for each program it forks, and the fork runs `python -m MODULE ARGUMENTS` from that module's
first line, with an environment, a folder, a log, a process group and a signal at the parent's death as
`stack.child_process.spawn` gives them. Other programs have a fork server that imports theirs
(tests/clients/cli/conftest.py).

That import is all it shortens, and so what is started here does not show: how long a boot takes (`make chaos` starts
its workers plainly), in which order a worker imports (tests/worker/test_engine_factory.py), and what the libraries read
when they are imported. That is the fork server's own: one thread each (OMP_NUM_THREADS), and no hub is asked.

A fork takes only one thread along, so the fork server starts none and refuses to fork when it has more. Linux only; on
other systems `spawn` is the plain start.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Self

from shared.settings import ROOT
from stack import child_process

PRELOADED = (
    "worker.engine.engine",
    "worker.engine.audiocraft_engine",
    "worker.process",
    "worker.tasks",
    "celery.bin.worker",
    "transformers.models.t5.modeling_t5",  # what loading a checkpoint imports, all the same for each
    "transformers.models.t5.tokenization_t5",
)
FIXED = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
BOOT_TIMEOUT_S = 300.0
POLL_S = 0.02
MOST_BYTES = 1 << 20  # of a message: an environment


class Child:
    """Be a forked process: as much of a Popen as those who start programs use."""

    def __init__(self, fork_server: ForkServer, pid: int) -> None:
        self.pid = pid
        self._fork_server = fork_server
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            self._code = self._fork_server.ask({"pid": self.pid})["code"]
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        give_up_at = time.monotonic() + (timeout if timeout is not None else float("inf"))
        while (code := self.poll()) is None:
            if time.monotonic() > give_up_at:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            time.sleep(POLL_S)
        return code

    def terminate(self) -> None:
        if self.poll() is None:  # until it is asked for its end, a dead child's number is nobody else's
            os.kill(self.pid, signal.SIGTERM)


class ForkServer:
    """Start at once, in a `with`; who is spawned first waits for the imports."""

    def __init__(self, folder: Path, preloaded: Sequence[str] = PRELOADED, path: Sequence[Path] = (ROOT,)) -> None:
        """Take what is imported before any fork, and where that lies beside what is installed."""
        self._preloaded, self._path = preloaded, path
        self.log_path = folder / "fork_server.log"
        self._socket_path = folder / "socket"
        self._connection: socket.socket | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(self._socket_path))
        self._listener.listen(1)
        command = [sys.executable, "-m", "tests.fork_server", str(self._socket_path), *self._preloaded]
        path = os.pathsep.join(filter(None, [*map(str, self._path), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, **FIXED, **OFFLINE, "PYTHONPATH": path}
        with self.log_path.open("wb") as log:
            self._process = child_process.spawn(
                command, output=log, env=environment, cwd=ROOT, at_parent_death=signal.SIGKILL
            )
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and its children."""
        child_process.signal_group(self._process, signal.SIGKILL)
        self._process.wait()
        self._listener.close()
        if self._connection is not None:
            self._connection.close()

    def spawn(
        self,
        command: Sequence[str],
        *,
        output: IO[bytes],
        errors: IO[bytes] | None = None,
        given: IO[bytes] | None = None,
        at_parent_death: signal.Signals = signal.SIGTERM,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> child_process.Child:
        """Spawn as `stack.child_process.spawn` does, for what is run by `python -m`.

        Errors go where the output goes, and nothing is given to read, unless files are named for them.
        """
        environment = dict(os.environ | FIXED if env is None else env)
        if sys.platform != "linux":
            return child_process.spawn(
                command,
                output=output,
                errors=errors,
                given=given,
                at_parent_death=at_parent_death,
                env=environment,
                cwd=cwd,
            )
        if list(command[:2]) != [sys.executable, "-m"]:
            raise ValueError(f"it forks only what is run as {sys.executable} -m: not {' '.join(command[:3])}")
        if wrong := [name for name, value in FIXED.items() if environment.get(name, value) != value]:
            raise ValueError(f"{', '.join(wrong)}: cannot differ from the fork server's ({FIXED})")
        handles = [each.fileno() for each in (output, errors or output, given) if each is not None]
        request = SpawnRequest(list(command[2:]), environment, str(cwd or Path.cwd()), int(at_parent_death))
        return Child(self, self.ask(vars(request), *handles)["pid"])

    def ask(self, message: dict[str, Any], *handles: int) -> Any:
        with self._lock:
            if self._connection is None:
                self._connection = self._await_connection()
            socket.send_fds(self._connection, [json.dumps(message).encode()], handles)
            answer = self._connection.recv(MOST_BYTES)
        if not answer:
            raise RuntimeError(f"the fork server has ended:\n{self.log_path.read_text()[-2000:]}")
        return json.loads(answer)

    def _await_connection(self) -> socket.socket:
        give_up_at = time.monotonic() + BOOT_TIMEOUT_S
        self._listener.settimeout(1.0)
        while True:
            try:
                return self._listener.accept()[0]
            except TimeoutError:
                if self._process.poll() is not None or time.monotonic() > give_up_at:
                    raise RuntimeError(f"no fork server:\n{self.log_path.read_text()[-2000:]}") from None


@dataclass
class SpawnRequest:
    """Say what a child is to be."""

    command: list[str]
    env: dict[str, str]
    cwd: str
    at_parent_death: int

    def run(self) -> None:
        """Run the program, and end with its own exit, as it would at the top of an interpreter."""
        os.environ.clear()
        os.environ.update(self.env)
        os.chdir(self.cwd)
        module, *arguments = self.command
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def serve(connection: socket.socket) -> SpawnRequest | None:
    """Fork whom is asked for, and say who has ended. Return each child its request; None when nobody asks any more."""
    while True:
        message, handles, _, _ = socket.recv_fds(connection, MOST_BYTES, 3)
        if not message:
            return None
        fields = json.loads(message)
        if "pid" in fields:
            pid, status = os.waitpid(fields["pid"], os.WNOHANG)
            answer = {"code": os.waitstatus_to_exitcode(status) if pid else None}
        else:
            request, parent = SpawnRequest(**fields), os.getpid()
            if (pid := fork()) == 0:
                connection.close()
                for handle, stream in zip(handles, (1, 2, 0), strict=False):  # what is read may be left out
                    os.dup2(handle, stream)
                    os.close(handle)
                child_process.die_with_parent(request.at_parent_death, parent)
                return request
            for handle in handles:
                os.close(handle)
            answer = {"pid": pid}
        connection.send(json.dumps(answer).encode())


def fork() -> int:
    """Fork a child that leads a process group of its own; both sides see to that, whoever comes first."""
    threads = os.listdir("/proc/self/task")
    if len(threads) > 1:
        raise RuntimeError(f"the fork server has {len(threads)} threads, and a fork would take only one of them along")
    pid = os.fork()
    os.setpgid(pid, pid)
    return pid


def main(socket_path: str, *preloaded: str) -> None:
    for name in preloaded:
        import_module(name)
    gc.freeze()  # a child's collector leaves alone what it shares with us
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(socket_path)
    request = serve(connection)
    if request is not None:
        request.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
