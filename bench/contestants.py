"""Who is timed: audiocraft and transformers as their users call them, and the batching engine. Knows no clock.

The peers make one clip a call, one call after the other, as a server built on them does: their parameters belong to the
model object, so requests that differ cannot share a call.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from audiocraft.models import MusicGen

from bench.bandwidth import synchronize
from bench.shapes import CODEBOOKS, dtype_on, random_transformers
from worker.engine.core.streams import WorkStream
from worker.engine.core.types import EngineRequest
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.model.info import describe
from worker.engine.model.linear import Precision
from worker.engine.model.precisions import NAMES

PROMPT = "slow sad piano in A minor"
WARM_UP_S = 0.3


@dataclass
class Case:
    """One row of the table. `run` makes so many songs of so many seconds and returns when all are there.

    `prepare` comes before and is not timed.
    """

    contestant: str  # audiocraft, transformers, ostinato
    precision: Precision
    kv_precision: Precision
    songs: int
    run: Callable[[float], None]
    seconds: list[float] = field(default_factory=list)
    prepare: Callable[[], object] = lambda: None

    @property
    def name(self) -> str:
        return f"{self.contestant} {self.precision}, {self.songs} song{'s' if self.songs > 1 else ''}"


class Bay:
    """Room for one engine, whose threads end before anybody else's turn comes.

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
        """A warm engine on the model's weights; another one goes."""
        if self._engine is None or self._engine.info.precision != precision:
            self.clear()
            engine = ContinuousBatchingEngine(
                self.model, describe(self.model, "random", self.device), precision, self._slots
            )
            engine.start()
            engine.warm_up(lambda done, total: None)
            self._engine = engine
        return self._engine

    def make_way(self) -> None:
        """For a peer."""
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


def audiocraft_case(bay: Bay) -> Case:
    seeds, model = iter(range(10**6)), bay.model

    def generate(duration_s: float) -> None:
        model.set_generation_params(duration=duration_s)
        torch.manual_seed(next(seeds))
        audio = model.generate([PROMPT])
        assert isinstance(audio, torch.Tensor)
        audio.cpu()
        synchronize(bay.device)

    precision = NAMES[dtype_on(bay.device)]
    return _peer("audiocraft", precision, bay, generate)


def transformers_case(shape: str, bay: Bay) -> Case:
    model, tokenizer = random_transformers(shape, bay.device)
    frame_rate_hz = model.config.audio_encoder.frame_rate
    seeds = iter(range(10**6))

    def generate(duration_s: float) -> None:
        inputs = tokenizer([PROMPT], padding=True, return_tensors="pt").to(bay.device)
        torch.manual_seed(next(seeds))
        tokens = round(duration_s * frame_rate_hz) + CODEBOOKS - 1
        model.generate(**inputs, do_sample=True, guidance_scale=3.0, max_new_tokens=tokens).cpu()
        synchronize(bay.device)

    return _peer("transformers", NAMES[dtype_on(bay.device)], bay, generate)


def _peer(name: str, precision: Precision, bay: Bay, generate: Callable[[float], None]) -> Case:
    def run(duration_s: float) -> None:
        bay.run(lambda: generate(duration_s))

    return Case(name, precision, precision, 1, run, prepare=bay.make_way)


def pieces(count: int, duration_s: float, stream: bool = False) -> list[EngineRequest]:
    return [EngineRequest(PROMPT, duration_s, seed=seed, stream=stream) for seed in range(count)]


def sing(engine: ContinuousBatchingEngine, songs: int, duration_s: float) -> None:
    for handle in [engine.submit(piece) for piece in pieces(songs, duration_s)]:
        handle.result()


def engine_case(bay: Bay, precision: Precision, songs: int) -> Case:
    def run(duration_s: float) -> None:
        sing(bay.engine(precision), songs, duration_s)

    kept = bay.engine(precision).info.kv_precision
    return Case("ostinato", precision, kept, songs, run, prepare=lambda: bay.engine(precision))
