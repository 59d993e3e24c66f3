"""Run the steps of a check one after the other, within its time (`run_steps`).

A step that raises is a bad finding, and the next one runs. After an error that leaves the device or torch's allocator
unusable the rest is for another process.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch

from bench.gpu.device import Device
from bench.gpu.findings import Findings
from worker.engine.core.failures import CAPTURE_SIGN, is_device_error

SHAPES = ("small", "medium", "large")  # what a GPU is asked for


@dataclass(frozen=True)
class Check:
    """Hold what every step needs."""

    device: Device
    shapes: tuple[str, ...]
    findings: Findings
    limit_s: float

    @property
    def left_s(self) -> float:
        return self.limit_s - self.findings.elapsed_s

    @property
    def bandwidth_gb_s(self) -> float | None:
        """Return what the first step has measured; None of a CPU, and where that step did not run."""
        found: float | None = self.findings.figures.get("machine", {}).get("bandwidth_gb_s")
        return found if self.device.is_gpu else None

    @property
    def shape(self) -> str:
        """Return the shape for what is measured with one only."""
        return self.shapes[0]


@dataclass(frozen=True)
class Step:
    """Name a step, what it needs at least, and what does it."""

    name: str
    needs_s: float  # with less left it is not begun
    run: Callable[[Check], None]


def run_steps(check: Check, steps: list[Step]) -> list[Step]:
    """Run the steps, and return those that only a fresh process can run."""
    for number, step in enumerate(steps):
        if check.left_s < step.needs_s:
            check.findings.leave_out(step.name, f"it needs {step.needs_s:.0f} s, and {check.left_s:.0f} s are left")
            continue
        check.findings.step = step.name
        try:
            with ThreadPoolExecutor(1) as thread:  # whose team of threads ends with it (core/streams.py)
                thread.submit(_run, step, check).result()
        except Exception as error:
            traceback.print_exc(limit=-6)
            check.findings.compared("it runs", f"{type(error).__name__}: {str(error)[:300]}", good=False)
            if needs_fresh_process(error):
                return steps[number + 1 :]
        check.device.release()
    return []


def _run(step: Step, check: Check) -> None:
    """Run one step; on a CPU in one thread, so that teams of several do not wait for each other."""
    threads = torch.get_num_threads()
    if not check.device.is_gpu:
        torch.set_num_threads(1)
    try:
        step.run(check)
    finally:
        torch.set_num_threads(threads)


def needs_fresh_process(error: BaseException) -> bool:
    """Tell whether nothing more can be measured in this process: the device is lost, or a capture failed."""
    return is_device_error(error) or (isinstance(error, RuntimeError) and CAPTURE_SIGN in str(error))
