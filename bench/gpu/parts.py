"""Measure what a song needs beside its steps: prefill and codec (`measure_prefill`, `measure_codec`)."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from bench.gpu.steps import Check
from worker.engine.codec.codec import Codec
from worker.engine.imports.audiocraft import MusicGen
from worker.engine.model.decoder import Decoder
from worker.engine.runners.cross_kv import CrossKv
from worker.engine.runners.prefill import prefill

LENGTHS = {"without cuDNN, as the engine does": (103, 249, 504), "with cuDNN": (101, 247, 502)}
CLIPS, CLIPS_ON_CPU = ((1, 30), (8, 30)), ((1, 1),)  # how many, of how many seconds
FRAME_RATE_HZ = 50
CHUNK_FRAMES = 50


def measure_prefill(check: Check, decoder: Decoder, runner: Any) -> None:
    """Measure prefills of lengths not seen before, and again; cuDNN would build a plan for each new one."""
    for how, lengths in LENGTHS.items() if check.device.is_gpu else [("on a CPU", (20,))]:
        torch.backends.cuda.enable_cudnn_sdp(how == "with cuDNN")
        try:
            took = {length: [_prefill_ms(check, decoder, runner, length) for _ in range(2)] for length in lengths}
        finally:
            torch.backends.cuda.enable_cudnn_sdp(False)
        said = "; ".join(
            f"{length} positions {first:.1f} ms, then {again:.1f}" for length, (first, again) in took.items()
        )
        check.findings.measured(f"prefill {how}: {said}", **{f"prefill_ms {how}": max(ms for ms, _ in took.values())})


def _prefill_ms(check: Check, decoder: Decoder, runner: Any, length: int) -> float:
    source = torch.zeros(length % 19 + 3, decoder.dim, device=decoder.device)
    known = torch.zeros(length, decoder.codebooks, dtype=torch.long, device=decoder.device)
    nothing = torch.zeros(2, 0, decoder.dim, device=decoder.device)
    cross = CrossKv(*decoder.cross_keys_values(source))
    seconds, _ = check.device.once(lambda: prefill(decoder, nothing, known, cross, runner._cache.store_in(0)))
    return 1000 * seconds


def measure_codec(check: Check, model: MusicGen) -> None:
    """Measure full clips, with the most memory they take, and the chunk of a stream."""
    codec, card = Codec.prepare(model.compression_model), int(model.lm.card)
    for clips, seconds in CLIPS if check.device.is_gpu else CLIPS_ON_CPU:
        codes = torch.randint(card, (clips, codec.codebooks, seconds * FRAME_RATE_HZ), device=check.device.name)
        decode = partial(codec.decode, codes)
        peak = check.device.peak_gib(decode)
        took, _ = check.device.once(decode)
        rate = clips * seconds / took
        check.findings.measured(
            f"codec, {clips} x {seconds} s: {1000 * took:.0f} ms, {rate:.0f} audio-seconds a second, "
            + ("its memory not measured" if peak is None else f"{peak:.2f} GiB at its peak"),
            **{f"codec {clips} x {seconds} s": rate, f"codec {clips} x {seconds} s peak_gib": peak},
        )
    stream, chunk = codec.stream(), torch.zeros(codec.codebooks, CHUNK_FRAMES, dtype=torch.long)
    took = check.device.milliseconds(lambda: stream.push(chunk), 10)
    check.findings.measured(f"a streamed chunk of {CHUNK_FRAMES} frames: {took:.1f} ms", chunk_ms=took)
