"""Say what a contestant of the benchmark can do (`Contestant`), and measure its decode steps (`StepClock`)."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from worker.engine.core.types import Precision

PROMPT = "slow sad piano in A minor"


@dataclass(frozen=True)
class Setup:
    """Say what a contestant is to be: the folder has the weights (bench/weights_layout.py)."""

    weights: Path
    device: str = "cpu"
    precision: Precision = "fp32"  # ours; a peer has its own
    slots: int | None = None


class Contestant(ABC):
    """Make clips as one library's users do. It is made in the program's main thread and used there."""

    @abstractmethod
    def make(self, duration_s: float, clips: int) -> float | None:
        """Make that many clips, prompt to waveform, and return the milliseconds of a decode step.

        None where there were too few steps to tell.
        """

    def facts(self) -> dict[str, Any]:
        """Return what else the benchmark reports of it."""
        return {}


@runtime_checkable
class Streaming(Protocol):
    """Stream clips: ours alone does."""

    def first(self, duration_s: float) -> dict[str, float]:
        """Return how soon the first chunk and the first full second of a streamed clip are there."""


@runtime_checkable
class Crowded(Protocol):
    """Make songs as people send them: ours alone does."""

    def traffic(self, kind: str, duration_s: float, clips: int) -> dict[str, float | None]:
        """Return the figures of bench/traffic.py."""


class StepClock:
    """Measure decode steps by when each was over: the mean of all but the first, which is the prefill's."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._last = (0, 0.0)

    def over(self, step: int, total: int = 0) -> None:
        """Note that so many steps are over now, as a progress callback; steps may be left out, and repeated."""
        if step > self._last[0]:
            self._last = (step, time.perf_counter())
            self._first = self._first or self._last

    @property
    def milliseconds(self) -> float | None:
        if self._first is None or self._last[0] == self._first[0]:
            return None
        return 1000 * (self._last[1] - self._first[1]) / (self._last[0] - self._first[0])
