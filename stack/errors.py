"""Define the errors of a stack that cannot start or run. Each message names the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shared.errors import OstinatoError


class StackError(OstinatoError):
    """Say that the stack cannot start, or stopped by itself."""

    code = "STACK_ERROR"


class PortInUse(StackError):
    def __init__(self, port: int, remedy: str) -> None:
        super().__init__(f"port {port} on 127.0.0.1 is in use by another program. {remedy}")
        self.port = port


class FolderInUse(StackError):
    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"another running Ostinato keeps its state in {folder}. Stop that one first, or set STATE_FOLDER to "
            "a folder of this one's own"
        )


class NoCertificate(StackError):
    def __init__(self, why: str) -> None:
        super().__init__(f"no certificate for https: {why}, or start without --tls")


class ProgramFailed(StackError):
    """Say that a child process did not start, or ended unasked."""

    def __init__(self, name: str, what: str, log_path: Path) -> None:
        super().__init__(f"{name} {what}; its log is {log_path}")
        self.name = name
        self.what = what
        self.log_path = log_path

    def log_tail(self, lines: int = 20) -> Sequence[str]:
        return last_lines(self.log_path, lines)


def last_lines(path: Path, count: int, *, window_bytes: int = 64 * 1024) -> list[str]:
    """Return the end of a log that may be large: only its last window is read."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - window_bytes))
            return log.read().decode("utf-8", "replace").splitlines()[-count:]
    except OSError:
        return []
