"""Run the embedded broker: a real Valkey server in a folder, for a machine where nothing is installed or running.

Owns one server process, its port and its append-only file. Production points REDIS_URL at a server of its own.

What the settings promise: a write that was answered survives a SIGKILL of the broker (the append-only file is written
before the answer goes out, unless the disk needs more than a second for the last sync); if the whole *host* dies, up to
the last second may be lost (`appendfsync everysec`). A damaged append-only file is copied and cut behind its last
complete command, and the loss is reported (stack/append_only.py).

It asks for a random password (stack/broker_password.py), which is part of `url` and of nothing that is printed.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from stack import child_process, ports
from stack.append_only import AppendOnlyFiles
from stack.broker_password import read_or_make_password, write_acl, write_private
from stack.broker_server import ask, command, server_path
from stack.errors import PortInUse, ProgramFailed, StackError
from stack.folder_lock import FolderLock
from stack.orphans import end_orphan, serves

log = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0  # without a sign of life; while it reads its append-only file back it gives one
ATTEMPTS = 5  # for a port that was taken in the last moment, or a file that had to be mended
PID_FILE, ADDRESS_FILE = "broker.pid", "broker.url"


class EmbeddedBroker:
    """Run a broker: `with EmbeddedBroker(folder) as broker: ... broker.url`; or start(), then stop() or kill().

    After stop() or kill(), start() brings the same data back on the same port. One live owner per folder: a server
    that a dead owner left behind there is ended at the next start, one whose owner lives is refused.
    """

    name = "broker"
    grace_s = 10.0

    def __init__(self, folder: Path | str, port: int = 0, say: Callable[[str], None] = log.warning) -> None:
        self.folder = Path(folder).resolve()
        self.port = port
        self._say = say  # what was lost
        self._password = ""
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
        """Return its address with the password: for programs, not for screens and logs."""
        return self.address.replace("//", f"//:{self._password}@", 1)

    @property
    def address(self) -> str:
        if not self.port:
            raise StackError("the embedded broker has no port yet: call start() first")
        return f"redis://{ports.LOOPBACK}:{self.port}/0"

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def how_it_ended(self) -> str:
        return "was stopped" if self._process is None else child_process.describe_end(self._process)

    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def start(self) -> Self:
        if self.is_running():
            return self
        self._lock.take()
        try:
            end_orphan(self.pid_path, self.folder)
            self._close_to_others()
            self._start_on_some_port()
            write_private(self.folder / ADDRESS_FILE, self.url)
        except BaseException:
            self.kill()
            self._lock.release()
            raise
        return self

    def stop(self) -> None:
        """Stop in order: the server flushes its append-only file and leaves. Idempotent."""
        self.request_stop()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self.grace_s)
        self.kill()
        self._lock.release()

    def request_stop(self) -> None:
        if self.is_running() and self._process is not None:
            child_process.signal_group(self._process, signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, as an out-of-memory killer would. The folder stays ours: start() goes on from the file."""
        if self._process is not None:
            child_process.signal_group(self._process, signal.SIGKILL)
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

    def _close_to_others(self) -> None:
        """Close the folder to other users: its files hold what the password guards. A restart keeps the password."""
        with contextlib.suppress(OSError):  # a file system without modes
            self.folder.chmod(0o700)
        self._password = self._password or read_or_make_password(self.folder)
        write_acl(self.folder, self._password)

    def _start_on_some_port(self) -> None:
        files = AppendOnlyFiles(self.folder, server_path())
        # Without its manifest, say, the server would start all the same, with nothing, over the old files.
        if files.would_be_overlooked() and not self._mend(files):
            raise ProgramFailed(self.name, "did not start", self.log_path)
        for _ in range(ATTEMPTS):
            self.port = self.port if self._port_is_fixed else ports.free_port()
            if not ports.is_free(self.port):
                continue
            if self._launch():
                self._port_is_fixed = True  # clients know it now: a restart must come back there
                return
            if ports.is_free(self.port) and not self._mend(files):
                raise ProgramFailed(self.name, "did not start", self.log_path)
        if not ports.is_free(self.port):
            raise PortInUse(self.port, "Choose another port for the broker, or 0 for any free one")
        raise ProgramFailed(self.name, "did not start", self.log_path)

    def _mend(self, files: AppendOnlyFiles) -> bool:
        """Cut the append-only file after its intact part, and say so; False when that was not what is wrong."""
        try:
            arities = known_arities()
        except (StackError, redis.RedisError):
            return False  # not even a fresh one starts
        damage = files.find_damage(arities)
        if damage is None:
            return False
        copy = files.cut(damage)
        self._say(
            f"broker   its append-only file was damaged ({damage.where}): {damage.lost_bytes:,} bytes are lost, "
            f"{damage.kept_bytes:,} are kept; a copy of it as it was is in {copy}"
        )
        return True

    def _launch(self) -> bool:
        with self.log_path.open("ab") as log:
            self._process = child_process.spawn(command(self.folder, self.port), output=log, cwd=self.folder)
        self.pid_path.write_text(f"{self._process.pid}\n")
        return self._became_ready(self._process)

    def _became_ready(self, process: subprocess.Popen[bytes]) -> bool:
        replied_at = time.monotonic()
        while process.poll() is None and time.monotonic() - replied_at < START_TIMEOUT_S:
            reply = ask(self.port, self._password)
            # The id, because on a port that was taken in the meantime a stranger's server would answer PING as well.
            if f"process_id:{process.pid}\r\n".encode() in reply:
                replied_at = time.monotonic()
                if b"+PONG" in reply:
                    return True
            time.sleep(0.01)
        self.kill()
        return False


class _FreshBroker(EmbeddedBroker):
    """Run a broker in an empty folder, with nothing to repair."""

    def _mend(self, files: AppendOnlyFiles) -> bool:
        return False


def known_arities() -> Mapping[bytes, int]:
    """Return how many words each command of the server has, as a fresh one in an empty folder tells it.

    A command with subcommands is there as `name|subcommand` alone, because the server refuses any other.
    """
    with tempfile.TemporaryDirectory(prefix="ostinato-broker-") as folder, _FreshBroker(folder) as fresh:
        commands = redis.Redis.from_url(fresh.url).command().values()
        plain = (command for command in commands if not command["subcommands"])
        arities = {command["name"].encode(): int(command["arity"]) for command in plain}
        return arities | {bytes(each[0]): int(each[1]) for command in commands for each in command["subcommands"]}


def address_in(folder: Path) -> str | None:
    """Return the address, password included, of the broker that runs in that folder, for its owner's other programs."""
    try:
        pid, url = int((folder / PID_FILE).read_text()), (folder / ADDRESS_FILE).read_text()
    except (OSError, ValueError):
        return None
    return url if serves(pid, folder.resolve()) else None
