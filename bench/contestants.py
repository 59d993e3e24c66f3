"""Define what is timed: audiocraft and transformers as their users call them, and the engine.

The peers make one clip a call, one call after the other, as a server built on them does: their parameters belong to the
model object, so requests that differ cannot share a call.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from bench.bandwidth import synchronize
from bench.shapes import CODEBOOKS, dtype_on, random_transformers
from worker.engine.core.streams import WorkStream
from worker.engine.core.types import EngineRequest, Precision
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.imports.audiocraft import MusicGen
from worker.engine.model.info import describe
from worker.engine.model.precisions import NAMES

PROMPT = "slow sad piano in A minor"
WARM_UP_S = 0.3


@dataclass
class Case:
    """Describe one row of the table. `run` generates a batch of so many seconds and returns when all are there.

    `prepare` comes before and is not timed.
    """

    contestant: str  # audiocraft, transformers, ostinato
    precision: Precision
    kv_precision: Precision
    batch_size: int
    run: Callable[[float], None]
    seconds: list[float] = field(default_factory=list)
    prepare: Callable[[], object] = lambda: None

    @property
    def name(self) -> str:
        return f"{self.contestant} {self.precision}, {self.batch_size} song{'s' if self.batch_size > 1 else ''}"


class EngineHolder:
    """Hold one engine at a time, whose threads end before the next contestant runs.

    Threads that wait for a parallel loop do so awake only while no other such team is in the process
    (worker/engine/core/streams.py), so contestants that are all there would slow each other down. For the same reason
    each peer's run has a thread of its own. On a GPU an engine stays while the peers run: it takes long to come, and
    has no such teams.
    """

    def __init__(self, model: MusicGen, device: str, slots: int | None) -> None:
        self.model, self.device, self._slots = model, device, slots
        self._engine: ContinuousBatchingEngine | None = None
        self._work_stream = WorkStream(torch.device(device))

    def engine(self, precision: Precision) -> ContinuousBatchingEngine:
        """Return a warm engine on the model's weights; another one is closed."""
        if self._engine is None or self._engine.info.precision != precision:
            self.clear()
            engine = ContinuousBatchingEngine(
                self.model, describe(self.model, "random", self.device), precision, self._slots
            )
            engine.start()
            engine.warm_up(lambda done, total: None)
            self._engine = engine
        return self._engine

    def release_engine(self) -> None:
        """Close the engine before a peer runs."""
        if self.device == "cpu":
            self.clear()

    def clear(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None
            gc.collect()
            if self.device != "cpu":
                torch.cuda.empty_cache()

    def run(self, do: Callable[[], None]) -> None:
        self._work_stream.run(do)


def audiocraft_case(holder: EngineHolder) -> Case:
    seeds, model = iter(range(10**6)), holder.model

    def generate(duration_s: float) -> None:
        model.set_generation_params(duration=duration_s)
        torch.manual_seed(next(seeds))
        audio = model.generate([PROMPT])
        assert isinstance(audio, torch.Tensor)
        audio.cpu()
        synchronize(holder.device)

    precision = NAMES[dtype_on(holder.device)]
    return _peer("audiocraft", precision, holder, generate)


def transformers_case(shape: str, holder: EngineHolder) -> Case:
    model, tokenizer = random_transformers(shape, holder.device)
    frame_rate_hz = model.config.audio_encoder.frame_rate
    seeds = iter(range(10**6))

    def generate(duration_s: float) -> None:
        inputs = tokenizer([PROMPT], padding=True, return_tensors="pt").to(holder.device)
        torch.manual_seed(next(seeds))
        tokens = round(duration_s * frame_rate_hz) + CODEBOOKS - 1
        model.generate(**inputs, do_sample=True, guidance_scale=3.0, max_new_tokens=tokens).cpu()
        synchronize(holder.device)

    return _peer("transformers", NAMES[dtype_on(holder.device)], holder, generate)


def _peer(name: str, precision: Precision, holder: EngineHolder, generate: Callable[[float], None]) -> Case:
    def run(duration_s: float) -> None:
        holder.run(lambda: generate(duration_s))

    return Case(name, precision, precision, 1, run, prepare=holder.release_engine)


def requests(count: int, duration_s: float, stream: bool = False) -> list[EngineRequest]:
    return [EngineRequest(PROMPT, duration_s, seed=seed, stream=stream) for seed in range(count)]


def generate_all(engine: ContinuousBatchingEngine, batch_size: int, duration_s: float) -> None:
    for handle in [engine.submit(request) for request in requests(batch_size, duration_s)]:
        handle.result()


def engine_case(holder: EngineHolder, precision: Precision, batch_size: int) -> Case:
    def run(duration_s: float) -> None:
        generate_all(holder.engine(precision), batch_size, duration_s)

    kv_precision = holder.engine(precision).info.kv_precision
    return Case("ostinato", precision, kv_precision, batch_size, run, prepare=lambda: holder.engine(precision))
