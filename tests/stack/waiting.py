"""Watching other processes from a test: whether they live, and until something about them holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path


def wait_for(condition: Callable[[], bool], timeout_s: float = 5.0) -> bool:
    give_up_at = time.monotonic() + timeout_s
    while time.monotonic() < give_up_at:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


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
