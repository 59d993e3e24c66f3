"""Choose the kernels for this CPU by a benchmark, once: `python -m worker.engine.native.choice [NAME]` prints it.

Wider vectors are not the faster ones on every CPU. So each kind of kernels multiplies a block of weights by 1 to 32
rows, in each precision, and the best-ranked kind stays unless another one is faster by `MARGIN`. The result is kept
beside the library, for this model of CPU, number of threads and version; where that cannot be written, each boot
measures anew. A weight is packed for one kind, so one kind multiplies all numbers of rows in a process.

Models of fewer than `SMALL` parameters take the best-ranked kind unmeasured.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import logging
import math
import platform
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from worker.engine.core.types import Precision
from worker.engine.native.build import compiled_path
from worker.engine.native.linear import takes_bytes
from worker.engine.native.loader import Kernels, all_kernels, kernels
from worker.engine.native.structures import KINDS, Matrix, Product

log = logging.getLogger(__name__)

SMALL = 20_000_000  # parameters
MARGIN = 1.1  # times as fast as a better-ranked kind, to be taken instead of it
ROWS = (1, 2, 4, 8, 16, 32)
OUTPUTS, INPUTS = 4096, 1024  # of each product: small's widest
BLOCK_BYTES = 64 << 20  # of weights: more than a cache keeps
ROUNDS = 5
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "int8")


@dataclass(frozen=True)
class Measured:
    """Hold one precision's choice, and the speed at which each kind reads weights for two rows."""

    kind: str
    gb_s: dict[str, float]


def named_or_usual(name: str | None, precision: Precision, parameters: int, exact: bool) -> Kernels | None:
    """Return the kernels of that name; without one, the usual ones, or for `exact` the best-ranked: no benchmark's.

    Raises LookupError for a name that this CPU does not run.
    """
    return kernels(name) if name or exact else usual_kernels(precision, parameters)


def usual_kernels(precision: Precision, parameters: int) -> Kernels | None:
    """Return the kernels that a model of so many parameters is packed for; None where none were compiled."""
    found = all_kernels()
    if len(found) < 2 or parameters < SMALL or precision not in PRECISIONS:
        return found[0] if found else None
    return kernels(measured()[precision].kind)


def measured() -> dict[Precision, Measured]:
    """Return the choice for each precision: the kept one, or a new one, which is kept."""
    path = compiled_path().parent / f"choice-{machine_digest()}.json"
    try:
        kept = {name: Measured(**choice) for name, choice in json.loads(path.read_text()).items()}
        if set(kept) == set(PRECISIONS) and all(kernels(choice.kind) for choice in kept.values()):
            return kept
    except (OSError, ValueError, TypeError, AttributeError, LookupError):  # none, or not one that this version wrote
        pass
    found = {precision: _measure(precision) for precision in PRECISIONS}
    _keep(path, found)
    return found


def _keep(path: Path, found: dict[Precision, Measured]) -> None:
    try:
        path.write_text(json.dumps({name: asdict(choice) for name, choice in found.items()}))
    except OSError as error:
        log.info("the choice of kernels is not kept, and measured at each boot: %s", error)


def machine_digest() -> str:
    """Return a digest of what the choice depends on: the CPU, the threads, the kernels."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = sorted({line for line in lines if line.startswith(("model name", "flags", "CPU part", "Features"))})
    except OSError:
        cpu = [platform.machine(), platform.processor()]
    known = [*cpu, str(torch.get_num_threads()), compiled_path().name]
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:16]


def _measure(precision: Precision) -> Measured:
    seconds = _seconds(precision)
    best = {rows: min(times[rows] for times in seconds.values()) for rows in ROWS}
    slowness = {name: statistics.mean(times[rows] / best[rows] for rows in ROWS) for name, times in seconds.items()}
    chosen, *others = slowness
    for name in others:
        if slowness[name] * MARGIN < slowness[chosen]:
            chosen = name
    return Measured(chosen, {name: round(BLOCK_BYTES / times[2] / 1e9, 1) for name, times in seconds.items()})


def _seconds(precision: Precision) -> dict[str, dict[int, float]]:
    """Return how long each kind takes for a block of weights, by the number of rows.

    The kinds come in turns, and the shortest of the rounds counts: what else runs on the machine meets them alike.
    """
    size = all_kernels()[0].table.packed_bytes(OUTPUTS, INPUTS, KINDS[precision])  # of every kind
    block = torch.full((BLOCK_BYTES,), 1, dtype=torch.uint8)  # a small number in every precision
    scales, sums = torch.ones(OUTPUTS), torch.zeros(OUTPUTS, dtype=torch.int32)
    at = scales.data_ptr(), sums.data_ptr(), None
    starts = range(block.data_ptr(), block.data_ptr() + BLOCK_BYTES - size + 1, size)
    matrices = [Matrix(start, *at, OUTPUTS, INPUTS, KINDS[precision]) for start in starts]
    found: dict[str, dict[int, float]] = {candidate.name: {} for candidate in all_kernels()}
    for _ in range(ROUNDS):
        for rows in ROWS:
            for candidate in all_kernels():
                times = found[candidate.name]
                times[rows] = min(times.get(rows, math.inf), _once(candidate, precision, matrices, rows))
    return found


def _once(candidate: Kernels, precision: Precision, matrices: list[Matrix], rows: int) -> float:
    x, y = torch.ones(rows, INPUTS), torch.empty(rows, OUTPUTS)
    data, scales = torch.empty(rows, INPUTS, dtype=torch.uint8), torch.empty(rows)
    pointers = x.data_ptr(), y.data_ptr(), data.data_ptr(), scales.data_ptr()
    by_bytes = takes_bytes(candidate, precision, rows)
    products = [Product(ctypes.pointer(matrix), *pointers, rows, by_bytes) for matrix in matrices]
    began_at = time.perf_counter()
    for product in products:
        candidate.product(product)
    return time.perf_counter() - began_at


def main(names: list[str]) -> int:
    """Print the choice and its speeds, or whether a name can be forced; return the exit status."""
    name = names[0] if names else "auto"
    try:
        forced = None if name == "auto" else kernels(name)
    except LookupError as error:
        print(error)
        return 1
    if name != "auto":
        print(f"KERNELS={forced.name if forced else 'torch'}")
    elif not all_kernels():
        print("torch and numba: no kernels were compiled (docs/native.md)")
    else:
        print("; ".join(_summary(precision, choice) for precision, choice in measured().items()))
    return 0


def _summary(precision: Precision, choice: Measured) -> str:
    speeds = ", ".join(f"{name} {gb_s:g} GB/s" for name, gb_s in choice.gb_s.items())
    return f"{precision} by {choice.kind} ({speeds})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
