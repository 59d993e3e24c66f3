"""Time things on the device under test, and name its memory (`Device`)."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from bench.bandwidth import synchronize
from worker.engine.core.types import Precision
from worker.engine.model.precisions import available

Result = TypeVar("Result")
GIB = 2**30


@dataclass(frozen=True)
class Device:
    """Name a device of torch's: "cuda", or "cpu", where the same code runs without graphs to be tested."""

    name: str

    @property
    def is_gpu(self) -> bool:
        return self.name != "cpu"

    @property
    def precision(self) -> Precision:
        return available(self.name)[0]

    def free_gib(self) -> float:
        """Return a GPU's free memory; 0 of a CPU."""
        return torch.cuda.mem_get_info()[0] / GIB if self.is_gpu else 0.0

    def once(self, do: Callable[[], Result]) -> tuple[float, Result]:
        """Return how many seconds it takes until the device has done it, and its result."""
        synchronize(self.name)
        began_at = time.perf_counter()
        result = do()
        synchronize(self.name)
        return time.perf_counter() - began_at, result

    def milliseconds(self, do: Callable[[], Any], times: int = 20) -> float:
        """Return the median of several runs after two, by the device's own clock where it has one."""
        do(), do()
        if not self.is_gpu:
            return statistics.median(1000 * self.once(do)[0] for _ in range(3))
        pairs = []
        for _ in range(times):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            do()
            end.record()
            pairs.append((begin, end))
        torch.cuda.synchronize()
        return statistics.median(float(begin.elapsed_time(end)) for begin, end in pairs)

    def peak_gib(self, do: Callable[[], Any]) -> float | None:
        """Return what a call takes at its peak beside what is taken; None of a CPU."""
        if not self.is_gpu:
            return None
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        do()
        torch.cuda.synchronize()
        return float(torch.cuda.max_memory_allocated() - before) / GIB

    def release(self) -> None:
        """Give memory back that nobody uses any more."""
        gc.collect()
        if self.is_gpu:
            torch.cuda.empty_cache()
