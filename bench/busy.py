"""Keep one core busy with a Python loop in a process of its own, which ends with the `with`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.settings import ROOT
from stack import child_process

ENDS_WITHIN_S = 10.0


@contextmanager
def busy_core(spawn: Callable[..., child_process.Child] | None = None) -> Iterator[None]:
    command = [sys.executable, "-m", "bench.busy"]
    with Path(os.devnull).open("wb") as nowhere:
        process = (spawn or child_process.spawn)(command, output=nowhere, at_parent_death=signal.SIGKILL, cwd=ROOT)
    try:
        yield
    finally:
        child_process.signal_group(process, signal.SIGKILL)
        process.wait(ENDS_WITHIN_S)


if __name__ == "__main__":
    while True:
        pass
