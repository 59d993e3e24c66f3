"""Make clips with our engine, loaded and warmed up as a worker does it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bench.contestants.base import PROMPT, Contestant, Setup, StepClock
from bench.demucs_weights import demucs_below
from bench.traffic import run_traffic
from bench.weights_layout import AUDIOCRAFT_FOLDER
from worker.engine.core.types import EngineRequest
from worker.engine.engine import ContinuousBatchingEngine

POLL_S = 0.01  # a hundredth of a step's error in a clip of a second


class Ostinato(Contestant):
    """Submit all songs at once, each with a seed of its own."""

    def __init__(self, setup: Setup) -> None:
        began_at, captures = time.perf_counter(), [0]
        with demucs_below(setup.weights):
            self._engine = ContinuousBatchingEngine.load(
                setup.weights / AUDIOCRAFT_FOLDER, setup.device, precision=setup.precision, slots=setup.slots
            )
        loaded_at = time.perf_counter()
        self._engine.warm_up(lambda done, total: captures.append(total - 1))
        self._boot = {
            "load_s": loaded_at - began_at,
            "warm_up_s": time.perf_counter() - loaded_at,
            "captures": captures[-1],
        }

    def facts(self) -> dict[str, Any]:
        info = self._engine.info
        return {
            "kv_precision": info.kv_precision,
            "slots": self._engine.slots,
            "bytes_per_slot": self._engine.bytes_per_slot,
            "kernels": info.kernels,
            **self._boot,
        }

    def make(self, duration_s: float, clips: int) -> float | None:
        clock = StepClock()
        generate_all(self._engine, clips, duration_s, clock.over)
        return clock.milliseconds

    def first(self, duration_s: float) -> dict[str, float]:
        """Stream one clip, and cancel it once a second of it is there, or all of a shorter one."""
        began_at, seconds = time.perf_counter(), list[float]()
        handle = self._engine.submit(requests(1, duration_s, stream=True)[0])
        left = self._engine.info.sample_rate_hz
        for chunk in handle.chunks():
            seconds.append(time.perf_counter() - began_at)
            left -= chunk.shape[1]
            if left <= 0:
                break
        handle.cancel()
        handle.wait()
        return {"first_chunk_s": seconds[0], "first_second_s": seconds[-1]}

    def traffic(self, kind: str, duration_s: float, clips: int) -> dict[str, float | None]:
        return run_traffic(self._engine, kind, clips, duration_s).as_dict()


def requests(count: int, duration_s: float, stream: bool = False) -> list[EngineRequest]:
    return [EngineRequest(PROMPT, duration_s, seed=seed, stream=stream) for seed in range(count)]


def generate_all(
    engine: ContinuousBatchingEngine,
    batch_size: int,
    duration_s: float,
    over: Callable[[int], None] = lambda step: None,
) -> None:
    """Generate all clips; `over` is told the steps of the last one, which the others accompany."""
    handles = [engine.submit(request) for request in requests(batch_size, duration_s)]
    while not handles[-1].wait(POLL_S):
        progress = handles[-1].progress
        if progress.stage == "decoding":
            over(progress.step)
    for handle in handles:
        handle.result()
