"""Compare what the device computes with what audiocraft and a CPU do, on models/tiny (`check_tiny`)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.gpu.steps import Check
from shared.settings import ROOT
from worker.engine.codec.codec import Codec
from worker.engine.core.types import EngineRequest
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.model.loading import load_codec
from worker.engine.selfcheck.compare import CODEC_DB, SelfCheckFailed
from worker.engine.selfcheck.kept import KeptChecks

TINY = ROOT / "models/tiny"
PROMPT = "calm piano in C"
SECONDS, SECONDS_ON_CPU = 2.0, 0.2
CLIPS = 4
ALWAYS = KeptChecks(None)  # nothing is kept: the check is always due


def check_tiny(check: Check, checkpoint: Path = TINY) -> None:
    """Boot the engine as a worker does, with its self-check, and compare its songs with a CPU's."""
    engine = boot(check, checkpoint)
    try:
        seconds = SECONDS if check.device.is_gpu else SECONDS_ON_CPU
        clips = [h.result() for h in [engine.submit(_greedy(seconds)) for _ in range(CLIPS)]]
        alike = all(np.array_equal(clip.codes, clips[0].codes) for clip in clips)
        check.findings.compared("equal songs beside each other", f"{CLIPS} greedy songs", good=alike)
    finally:
        engine.close()
    reference = ContinuousBatchingEngine.load(checkpoint, "cpu", slots=1)
    try:
        expected = reference.submit(_greedy(seconds)).result()
    finally:
        reference.close()
    same = clips[0].codes == expected.codes  # [codebooks, frames]
    until = len(same[0]) if same.all() else int((~same.all(axis=0)).argmax())
    check.findings.measured(
        f"the first {until} of {len(same[0])} greedy frames in {check.device.precision} are a CPU's in float32",
        equal_frames=until, frames=len(same[0]),
    )  # fmt: skip
    _compare_codec(check, checkpoint, torch.from_numpy(expected.codes.copy()), torch.from_numpy(expected.waveform))


def boot(check: Check, checkpoint: Path) -> ContinuousBatchingEngine:
    """Load an engine as a worker does, and prove it."""
    load_s, engine = check.device.once(
        lambda: ContinuousBatchingEngine.load(
            checkpoint, check.device.name, precision=None, slots=8, runner="cuda", checks=ALWAYS
        )
    )
    check.findings.measured(f"it loads in {load_s:.1f} s", load_s=load_s)
    try:
        prove(check, engine)
    except BaseException:
        engine.close()
        raise
    return engine


def prove(check: Check, engine: ContinuousBatchingEngine) -> None:
    """Warm an engine up, and let it check itself; say how long both took. Raises what the first raises."""
    device, findings, before, captures = check.device, check.findings, check.device.free_gib(), [0]
    warm_s, _ = device.once(lambda: engine.warm_up(lambda done, total: captures.append(total - 1)))
    taken = f", {before - device.free_gib():.2f} GiB" if device.is_gpu else ""
    findings.measured(
        f"warm-up: {warm_s:.1f} s for {captures[-1]} captures{taken}; steps by {engine.info.runner}",
        warm_up_s=warm_s, captures=captures[-1], captures_gib=before - device.free_gib(), runner=engine.info.runner,
    )  # fmt: skip
    runner: Any = engine._runner
    own = runner._buckets.own_lengths
    sentence = "each row's own positions, by Triton" if own else "full contexts under masks"
    if device.is_gpu:
        findings.compared("attention reads", sentence, good=own)
    else:
        findings.measured(f"attention reads {sentence}")
    try:
        check_s, said = device.once(engine.check)
        findings.compared("self-check", f"{'; '.join(said)} ({check_s:.1f} s)", good=True)
    except SelfCheckFailed as error:
        findings.compared("self-check", str(error), good=False)


def _greedy(seconds: float) -> EngineRequest:
    return EngineRequest(PROMPT, seconds, temperature=0.0)


def _compare_codec(check: Check, checkpoint: Path, codes: torch.Tensor, expected: torch.Tensor) -> None:
    """Compare the codec's samples with a CPU's: what is left where cuDNN rounds to TF32 shows at once."""
    made = Codec.prepare(load_codec(checkpoint, check.device.name)).decode(codes).cpu()[:, : expected.shape[1]]
    noise = float((made - expected).pow(2).mean())
    decibels = 10 * math.log10(max(float(expected.pow(2).mean()), 1e-20) / max(noise, 1e-20))
    sentence = f"{decibels:.0f} dB against a CPU's (at least {CODEC_DB:g})"
    check.findings.compared("codec", sentence, good=decibels >= CODEC_DB)
