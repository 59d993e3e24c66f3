"""Watch other processes from a test: whether they live, and until something about them holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from shared.retry import Backoff, retry_until

T = TypeVar("T")


def wait_for(condition: Callable[[], T], timeout_s: float = 5.0) -> T:
    """Return what the condition says as soon as that is something, or what it says at last."""
    return retry_until(time.monotonic() + timeout_s, condition, is_done=bool, backoff=Backoff(0.02))


def is_alive(pid: int) -> bool:
    """A zombie does not count: in a container without an init an orphan may stay one."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def all_gone(pids: Iterable[int]) -> bool:
    return wait_for(lambda: not any(map(is_alive, pids)))


def wait_for_text(path: Path, text: str) -> str:
    assert wait_for(lambda: path.exists() and text in path.read_text()), f"{text!r} did not appear in {path}"
    return path.read_text()
