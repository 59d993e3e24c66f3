"""Read how much memory this process takes, now and at its peak."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

import psutil

STATUS = Path("/proc/self/status")
MB = 1e6


def resident_mb() -> float:
    return float(psutil.Process().memory_info().rss / MB)


def peak_mb() -> float:
    """Return the most that was resident since the program began."""
    if sys.platform == "linux" and (found := re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())):
        return int(found[1]) * 1024 / MB  # getrusage would also count what this program was forked from
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / MB
