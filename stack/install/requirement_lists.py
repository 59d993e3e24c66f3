"""Read the pinned requirements, and leave out what a build of torch for the CPU does without.

The files are complete: each names all that its packages need, so everything is installed without looking for more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

RUN = ("api", "worker", "embedded", "audiocraft")
DEV = ("dev", "test-clients")
TORCH = ("torch", "torchaudio")
GPU_ONLY = re.compile(r"(nvidia|cuda)-|triton$")  # names of what only torch's CUDA build needs


def read_lines(folder: Path, names: Iterable[str]) -> list[str]:
    """Return the requirements of these files, each once, in order."""
    lines = [line.strip() for name in names for line in (folder / f"{name}.txt").read_text().splitlines()]
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def name_of(line: str) -> str:
    """Return a requirement's package name in its normal form."""
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line)
    return re.sub(r"[-_.]+", "-", found.group()).lower() if found else ""


def names_of(lines: Iterable[str]) -> set[str]:
    return {name_of(line) for line in lines}


def torch_lines(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if name_of(line) in TORCH]


def cpu_torch_lines(lines: Iterable[str]) -> list[str]:
    """Return the lines of torch and torchaudio, which must match, as the CPU's index calls their builds."""
    return [re.sub(r"(==[\w.]+)", r"\1+cpu", line, count=1) for line in torch_lines(lines)]


def without_gpu(lines: Sequence[str]) -> list[str]:
    """Return what is left for the CPU once torch itself is there."""
    return [line for line in lines if name_of(line) not in TORCH and not GPU_ONLY.match(name_of(line))]
