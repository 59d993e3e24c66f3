"""Who is timed: audiocraft and transformers as their users call them, and the batching engine. Knows no clock.

The peers make one clip a call, one call after the other, as a server built on them does: their parameters belong to the
model object, so requests that differ cannot share a call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from audiocraft.models import MusicGen

from bench.bandwidth import synchronize
from bench.shapes import CODEBOOKS, dtype_on, random_transformers
from worker.engine.batching import BatchingEngine
from worker.engine.info import describe
from worker.engine.linear import Precision
from worker.engine.piece import Piece

PROMPT = "slow sad piano in A minor"
WARM_UP_S = 0.3
NAMES = {torch.float32: "fp32", torch.float16: "fp16"}


@dataclass
class Case:
    """One row of the table. `run` makes so many songs of so many seconds and returns when all are there."""

    contestant: str  # audiocraft, transformers, ostinato
    precision: str
    kv_precision: str
    songs: int
    run: Callable[[float], None]
    seconds: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.contestant} {self.precision}, {self.songs} song{'s' if self.songs > 1 else ''}"


def audiocraft_case(model: MusicGen, device: str) -> Case:
    seeds = iter(range(10**6))

    def run(duration_s: float) -> None:
        model.set_generation_params(duration=duration_s)
        torch.manual_seed(next(seeds))
        model.generate([PROMPT]).cpu()
        synchronize(device)

    precision = NAMES[dtype_on(device)]
    return Case("audiocraft", precision, precision, 1, run)


def transformers_case(shape: str, device: str) -> Case:
    model, tokenizer = random_transformers(shape, device)
    frame_rate_hz = model.config.audio_encoder.frame_rate
    seeds = iter(range(10**6))

    def run(duration_s: float) -> None:
        inputs = tokenizer([PROMPT], padding=True, return_tensors="pt").to(device)
        torch.manual_seed(next(seeds))
        tokens = round(duration_s * frame_rate_hz) + CODEBOOKS - 1
        model.generate(**inputs, do_sample=True, guidance_scale=3.0, max_new_tokens=tokens).cpu()
        synchronize(device)

    precision = NAMES[dtype_on(device)]
    return Case("transformers", precision, precision, 1, run)


def pieces(count: int, duration_s: float, stream: bool = False) -> list[Piece]:
    return [Piece(PROMPT, duration_s, seed=seed, stream=stream) for seed in range(count)]


def engine_of(model: MusicGen, precision: Precision, device: str, slots: int | None) -> BatchingEngine:
    """A warm engine on that model's weights."""
    engine = BatchingEngine(model, describe(model, "random", device), precision, slots)
    engine.start()
    engine.warm_up(lambda done, total: None)
    return engine


def engine_case(engine: BatchingEngine, songs: int) -> Case:
    def run(duration_s: float) -> None:
        for handle in [engine.submit(piece) for piece in pieces(songs, duration_s)]:
            handle.result()

    return Case("ostinato", engine.info.precision, engine.info.kv_precision, songs, run)
