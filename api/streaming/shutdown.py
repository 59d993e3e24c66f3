"""Let everything that keeps connections open know that this process is to stop. Knows no stream."""

from __future__ import annotations

import signal
from types import FrameType


class Shutdown:
    """Mark the end of one process: the entry point begins it, and whatever may last for long reads `begun`."""

    def __init__(self) -> None:
        self._begun = False

    @property
    def begun(self) -> bool:
        """Return whether every open connection is to end now."""
        return self._begun

    def begin(self) -> None:
        """Begin, for good. No more than this: it may run between any two instructions of any thread."""
        self._begun = True

    def begin_at(self, number: signal.Signals) -> None:
        """Begin when that signal comes; its former handler is called as before."""
        former = signal.getsignal(number)

        def handle(received: int, frame: FrameType | None) -> None:
            self.begin()
            if callable(former):
                former(received, frame)

        signal.signal(number, handle)
