"""Remember a boot that crashed, by a signal that no exception tells, for the boots after it (`BootWatch`).

While a rung of the ladder is tried, Python's faulthandler writes to a file of this worker's: so after a segmentation
fault in a driver, a compiler or a kernel, the file says where it was, and the next boot takes that rung as failed. Who
is merely killed leaves nothing there. Once a boot went well all is forgotten, and the next begins at the top.
"""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import io
import os
import re
import socket
from typing import TextIO

from shared.settings import ROOT, Settings

FATAL = "Fatal Python error: "
FRAME = re.compile(r'  File "(?:.*/)?([^/"]+)", line (\d+)')  # anybody may read the reason: no folders
USUAL_FOLDER = ROOT / "worker" / "engine" / "native" / "built" / "boots"


class BootWatch:
    """Watch the boots of one worker on this machine. Where its folder cannot be written, nothing is remembered."""

    def __init__(self, settings: Settings, devices: str) -> None:
        """Watch in CACHE_DIR, or beside the compiled kernels; `devices`: the GPUs that this process may see."""
        self._folder = settings.cache_dir / "boots" if settings.cache_dir else USUAL_FOLDER
        whose = (socket.gethostname(), settings.model, str(settings.worker_name), devices)
        self._prefix = hashlib.sha256("\0".join(whose).encode()).hexdigest()[:16]
        self._file: TextIO | None = None

    def found(self) -> dict[str, str]:
        """Return the rungs whose boots crashed since the last good one, and how."""
        crashes: dict[str, str] = {}
        with contextlib.suppress(OSError):
            for path in self._folder.glob(f"{self._prefix}-*.txt"):
                lines = path.read_text(errors="replace").splitlines()
                fatal = next((line.removeprefix(FATAL) for line in lines if line.startswith(FATAL)), None)
                where = next((match for line in lines if (match := FRAME.match(line))), None)
                at = f" at {where[1]}:{where[2]}" if where else ""
                if fatal is not None:
                    crashes[path.stem.partition("-")[2]] = f"a boot before crashed: {fatal}{at}"
        return crashes

    def trying(self, rung: str) -> None:
        """Watch from now on a boot by that rung."""
        self._close()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = (self._folder / f"{self._prefix}-{rung}.txt").open("w")
            faulthandler.enable(self._file, all_threads=False)
        except OSError:
            self._file = None

    def ended(self, *, forget: bool) -> None:
        """End the watch without a crash; with `forget`, those before are forgotten too."""
        self._close()
        with contextlib.suppress(OSError):
            for path in self._folder.glob(f"{self._prefix}-*.txt") if forget else ():
                path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is None:
            return
        with contextlib.suppress(io.UnsupportedOperation, AttributeError, ValueError, RuntimeError):
            faulthandler.enable()  # to stderr, from now on
        self._file.close()
        with contextlib.suppress(OSError):
            os.unlink(self._file.name)
        self._file = None
