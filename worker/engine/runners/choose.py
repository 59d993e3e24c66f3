"""Make the runner that a decoder's device asks for (`make_runner`)."""

from __future__ import annotations

from typing import Literal

from worker.engine.model.decoder import Decoder
from worker.engine.model.memory import Capacity, slot_bytes, slots_that_fit
from worker.engine.runners.base import Runner
from worker.engine.runners.cpu_runner import CpuRunner
from worker.engine.runners.cuda_runner import CudaRunner

RunnerKind = Literal["cpu", "cuda"]  # either runs on a CPU, where tests compare them


def make_runner(
    decoder: Decoder,
    capacity: Capacity,
    *,
    slots: int | None,
    exact: bool,
    kind: RunnerKind | None,
    graphs: bool | None,
    frame_s: float,
    codec_bytes: int,
) -> Runner:
    """Make a runner with so many slots, or as many as fit beside the codec's bytes and are worth it.

    Without a kind it follows the device, and graphs too. `frame_s`: the seconds of music that a step makes.
    """
    worth = frame_s if slots is None else None
    slots = slots or slots_that_fit(slot_bytes(decoder, capacity), decoder.device, codec_bytes)
    if (kind or ("cpu" if decoder.device.type == "cpu" else "cuda")) == "cpu":
        return CpuRunner(decoder, capacity, slots, exact)
    return CudaRunner(decoder, capacity, slots, exact, captures=graphs, frame_s=worth)
