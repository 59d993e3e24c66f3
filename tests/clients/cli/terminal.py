"""Play the other side of a pseudo-terminal."""

from __future__ import annotations

import contextlib
import os


def read_on(terminal: int) -> None:
    """Read on, as a terminal does: what nobody reads fills up, and then who writes there waits."""
    with contextlib.suppress(OSError):  # the other side is closed
        while os.read(terminal, 1000):
            pass
