"""Keep other threads off the device while a CUDA graph is captured (`CAPTURES`).

What another thread does meanwhile may end a capture: memory that it gives back synchronises the device, and torch's
allocator refuses to free blocks while one is under way. So their work waits for a capture, and a capture begins only
when none of them works.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class CaptureGate:
    """Let any number of threads work, or one capture alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._working = 0
        self._capturing = False

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work on the device in this thread; wait for a capture to end first."""
        with self._changed:
            self._changed.wait_for(lambda: not self._capturing)
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, *, wait: bool) -> Iterator[bool]:
        """Keep the others out. Gives False, and keeps nobody out, where one works and is not to be waited for."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: not self._capturing and not self._working)
            alone = not self._capturing and not self._working
            self._capturing = self._capturing or alone
        try:
            yield alone
        finally:
            if alone:
                with self._changed:
                    self._capturing = False
                    self._changed.notify_all()


CAPTURES = CaptureGate()  # of this process, which has one device
