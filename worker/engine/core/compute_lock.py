"""Let the threads of an engine compute one after the other where each would take all cores (`ComputeLock`).

A decode step and the codec each share their work out over as many threads as there are cores. Side by side each waits,
at every barrier, for a thread that the other has pushed aside, and both take longer than one after the other.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from types import TracebackType

import torch

LONGEST_HOLD_S = 0.1  # after which long work lets others in, where it can: a stream's chunk is done sooner


class ComputeLock:
    """Lock the cores, first come, first served: `with lock:`. No thread owns it: another may call `give_way`.

    With `shared` False the threads have cores enough: all may compute at once, and nobody waits.
    """

    def __init__(self, shared: bool = True) -> None:
        self.shared = shared
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False
        self._since = 0.0

    @classmethod
    def on(cls, device: torch.device) -> ComputeLock:
        """Return that device's lock: shared on a CPU with too few cores for two teams of torch's threads."""
        return cls(device.type == "cpu" and 2 * torch.get_num_threads() > usable_cores())

    def give_way(self) -> None:
        """Let those who wait go first, once the lock was held for `LONGEST_HOLD_S`. Call while it is held."""
        if self.shared and self._waiting and time.monotonic() - self._since > LONGEST_HOLD_S:
            self._release()
            self._acquire()

    def __enter__(self) -> ComputeLock:
        if self.shared:
            self._acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.shared:
            self._release()

    def _acquire(self) -> None:
        with self._mutex:
            come = threading.Event()
            if self._taken:
                self._waiting.append(come)
            else:
                self._taken = True
                come.set()
        come.wait()
        self._since = time.monotonic()

    def _release(self) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False


def usable_cores() -> int:
    """Return how many cores this process may use, by its affinity where the system has one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
