"""Say what processor this is: its name, its cores, and of its instructions those that kernels for it differ by."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

CPUINFO = Path("/proc/cpuinfo")
FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx_vnni",
    "amx_int8",
    "amx_bf16",
    "asimddp",
    "i8mm",
)


def describe_cpu(cpuinfo: str | None = None) -> dict[str, Any]:
    """Return name, cores and flags; on systems without /proc/cpuinfo no flags."""
    text = cpuinfo if cpuinfo is not None else CPUINFO.read_text() if CPUINFO.exists() else ""
    flags = set(_field(text, "flags|Features").split())
    name = _field(text, "model name") or platform.processor() or platform.machine()
    return {"name": name, "cores": os.cpu_count() or 1, "flags": [flag for flag in FLAGS if flag in flags]}


def _field(text: str, name: str) -> str:
    found = re.search(rf"^(?:{name})\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""
