"""Measure the decode steps of the published shapes, alone: no scheduler, no songs (`measure_shapes`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from bench.bandwidth import bandwidth_share
from bench.gpu.findings import NO_GPU
from bench.gpu.parts import measure_codec, measure_prefill
from bench.gpu.steps import Check
from bench.shapes import SHAPES, random_musicgen
from worker.engine.core.arithmetic import set_arithmetic
from worker.engine.model.decoder import Decoder
from worker.engine.model.delay_pattern import pattern_of
from worker.engine.model.memory import Capacity, slot_bytes, slots_that_fit
from worker.engine.postprocess import codec_peak
from worker.engine.runners.cuda_runner import CudaRunner
from worker.engine.runners.cuda_step import STEP, TEXT, StepShape
from worker.engine.runners.step_attention import MaskedAttention

SLOTS, SLOTS_ON_CPU = (1, 16, 64, 128), (2,)
MOST_ON_CPU = 2  # slots that are made there
FRAME_RATE_HZ = 50
TEXT_TOKENS = 12
NEEDS_S = {"small": 40.0, "medium": 45.0, "large": 60.0}  # on a GPU; others nothing
KERNELS_SHOWN = 8


@dataclass(frozen=True)
class Bench:
    """Hold a runner whose steps are measured, and what they are compared with."""

    check: Check
    name: str  # of the shape
    runner: Any  # a CudaRunner, whose parts are measured one by one
    bandwidth_gb_s: float | None

    def step_ms(self, slots: int, positions: torch.Tensor) -> float:
        """Return what a step of so many slots takes that are at those positions; none of them advances."""
        state = self.runner._state
        state.numbers[:slots, STEP] = positions.to(state.numbers)
        state.numbers[:, TEXT] = TEXT_TOKENS
        shape = self.shape(slots, int(positions.max()))
        return self.check.device.milliseconds(lambda: self.runner._graphs.run(shape))

    def shape(self, slots: int, furthest: int) -> StepShape:
        buckets = self.runner._buckets
        context, text = buckets.context_for(furthest + 1), buckets.text_for(TEXT_TOKENS)
        return StepShape(buckets.slots_for(slots), context, text, halves=2, sorts=False)

    def share(self, positions: torch.Tensor, step_ms: float) -> float | None:
        """Return which share of the step its reading would take: weights, and each row's own positions."""
        if self.bandwidth_gb_s is None:
            return None
        rows, precision = 2 * int((positions + 1).sum()), self.check.device.precision
        return bandwidth_share(SHAPES[self.name], precision, precision, rows, step_ms, self.bandwidth_gb_s)


def measure_shapes(check: Check) -> None:
    """Measure each shape while there is time for it."""
    set_arithmetic()
    for name in check.shapes:
        needed = NEEDS_S.get(name, 0.0)
        if check.left_s < needed:
            check.findings.lacks(name, f"it needs {needed:.0f} s, and {check.left_s:.0f} s are left")
            continue
        _measure_shape(check, name)
        check.device.release()


@torch.inference_mode()
def _measure_shape(check: Check, name: str) -> None:
    device, findings = check.device, check.findings
    built_s, model = device.once(lambda: random_musicgen(name, device.name))
    decoder = Decoder(model.lm, device.precision)
    capacity = Capacity.of(model, pattern_of(model).steps(int(model.max_duration * FRAME_RATE_HZ)))
    each, free = slot_bytes(decoder, capacity), device.free_gib()
    fit = slots_that_fit(each, decoder.device, codec_peak(model))
    findings.measured(
        f"{name}: built in {built_s:.1f} s; {fit} slots of {each / 2**30:.2f} GiB fit into {free:.1f} GiB",
        **{f"{name} slots": fit},
    )
    _measure_runner(check, name, decoder, capacity, fit if device.is_gpu else min(fit, MOST_ON_CPU))
    device.release()
    if name == check.shape:
        measure_masks(check, decoder, capacity, fit)
        measure_codec(check, model)


def _measure_runner(check: Check, name: str, decoder: Decoder, capacity: Capacity, slots: int) -> None:
    bench = _bench(check, name, CudaRunner(decoder, capacity, slots))
    with bench.runner.context():
        _measure_steps(bench, slots, capacity.steps)
        if name == check.shape:
            _show_kernels(bench, min(64, slots), capacity.steps)
            measure_prefill(check, decoder, bench.runner)


def _bench(check: Check, name: str, runner: CudaRunner) -> Bench:
    return Bench(check, name, runner, check.bandwidth_gb_s)


def _measure_steps(bench: Bench, fit: int, steps: int) -> None:
    """Measure captures, then steps: all songs at their beginning, at any position (songs that join), at their end."""
    for slots in sorted({min(fit, count) for count in _counts(bench.check)}):
        _measure_capture(bench, slots, steps)
        for where, positions in ages(slots, steps).items():
            took = bench.step_ms(slots, positions)
            share = bench.share(positions, took)
            rate = 1000 * slots / FRAME_RATE_HZ / took
            read = "share of the bandwidth not measured" if share is None else f"{100 * share:.0f} % of the bandwidth"
            bench.check.findings.measured(
                f"{bench.name}, {slots} slots, {where}: step {took:.2f} ms, {rate:.0f} audio-seconds a second, {read}",
                **{f"{bench.name} {slots} {where}": {"step_ms": round(took, 3), "share": share}},
            )


def ages(slots: int, steps: int) -> dict[str, torch.Tensor]:
    """Return the positions of songs that begin, that joined one after the other, and that end."""
    begin, end = 50 if steps > 100 else 1, steps - 2
    mixed = begin + (torch.arange(slots) + 1) * (end - begin) // (slots + 1)
    return {"at the beginning": torch.full((slots,), begin), "joined": mixed, "at the end": torch.full((slots,), end)}


def _counts(check: Check) -> tuple[int, ...]:
    return SLOTS if check.device.is_gpu else SLOTS_ON_CPU


def _measure_capture(bench: Bench, slots: int, steps: int) -> None:
    if not bench.runner._graphs.captures:
        bench.check.findings.lacks(f"{bench.name}, {slots} slots, capture", NO_GPU)
        return
    device, free = bench.check.device, bench.check.device.free_gib()
    for where, positions in ages(slots, steps).items():
        shape = bench.shape(slots, int(positions.max()))
        if shape in bench.runner._graphs._captured:
            continue
        took, _ = device.once(partial(bench.runner._graphs.capture, shape))
        bench.check.findings.measured(
            f"{bench.name}, {slots} slots, {where}: capture {1000 * took:.0f} ms, {free - device.free_gib():.3f} GiB",
            **{f"{bench.name} {slots} capture_ms": 1000 * took},
        )


def measure_masks(check: Check, decoder: Decoder, capacity: Capacity, slots: int) -> None:
    """Measure the same steps under masks: what each row's own length gains."""
    slots = min(64, slots) if check.device.is_gpu else 1
    bench = _bench(check, check.shape, CudaRunner(decoder, capacity, slots, attention=MaskedAttention))
    positions = ages(slots, capacity.steps)["joined"]
    with bench.runner.context():
        if bench.runner._graphs.captures:
            bench.runner._graphs.capture(bench.shape(slots, int(positions.max())))
        took = bench.step_ms(slots, positions)
    check.findings.measured(f"{check.shape}, {slots} slots, joined, under masks: step {took:.2f} ms", masks_ms=took)


def _show_kernels(bench: Bench, slots: int, steps: int) -> None:
    """Say which kernels take the time of a step."""
    if not bench.check.device.is_gpu:
        bench.check.findings.lacks("the kernels of a step", NO_GPU)
        return
    from torch.profiler import ProfilerActivity, profile

    shape = bench.shape(slots, steps - 2)
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        bench.runner._graphs.run_eagerly(lambda: bench.runner._graphs._run(shape))
        torch.cuda.synchronize()
    kernels = sorted(profiled.key_averages(), key=lambda kernel: -kernel.self_device_time_total)
    bench.check.findings.measured(
        f"{bench.name}, {slots} slots: {sum(kernel.count for kernel in kernels)} kernels a step; the longest: "
        + "; ".join(
            f"{k.self_device_time_total / 1000:.2f} ms {k.count} x {k.key[:50]}" for k in kernels[:KERNELS_SHOWN]
        ),
        kernels_a_step=sum(kernel.count for kernel in kernels),
    )
