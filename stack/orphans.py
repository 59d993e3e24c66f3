"""Recognise and end a broker that a dead owner left running. Knows a process by its id and the folder it serves."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil

from shared.retry import Backoff, retry_until

GRACE_S = 10.0
POLL = Backoff(0.01)
SERVER = "valkey-server"


def end_orphan(pid_path: Path, folder: Path) -> None:
    """End the server that an earlier owner left behind. The caller holds the folder's lock, so that owner is dead."""
    try:
        pid = int(pid_path.read_text())
    except (OSError, ValueError):
        return
    if serves(pid, folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        if retry_until(deadline, lambda: serves(pid, folder), is_done=lambda still: not still, backoff=POLL):
            os.kill(pid, signal.SIGKILL)
    pid_path.unlink(missing_ok=True)


def serves(pid: int, folder: Path) -> bool:
    """Tell whether this process is a broker of this folder: ids are reused, and a stranger must not be killed."""
    words = _command_line(pid)
    return bool(words) and Path(words[0]).name == SERVER and str(folder) in words


def _command_line(pid: int) -> list[str]:
    """Return the words of its command; none for a process that is gone, a zombie or a stranger's."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).cmdline()
    return []
