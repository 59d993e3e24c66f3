"""The decoder's logits against audiocraft's, step by step; and where sampled codes may part in a crowd."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.shapes import random_musicgen
from tests.worker.engine.parity import audiocrafts_logits, largest_distance, our_logits
from worker.engine.core.types import EngineRequest
from worker.engine.engine import BatchingEngine
from worker.engine.model.loading import load_musicgen
from worker.engine.model.sampler import SamplingParameters, by_top_k, gumbel, sample, seed_halves
from worker.engine.runners import cpu_runner

pytestmark = pytest.mark.slow

TOLERANCE = 1e-4
MARGIN = 1e-3
PIECE = EngineRequest("slow sad piano in A minor", 30.0)


def random_codes(codebooks: int, card: int, frames: int) -> torch.Tensor:
    return torch.randint(card, (codebooks, frames), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", ["text", "tiny", "stereo"])
def test_a_hundred_steps_of_given_codes_have_audiocrafts_logits(checkpoint: Callable[[str], Path], shape: str) -> None:
    model = load_musicgen(checkpoint(shape))
    codes = random_codes(model.lm.num_codebooks, model.lm.card, 100)
    steps, distance, largest = largest_distance(
        our_logits(model, PIECE, codes), audiocrafts_logits(model, PIECE, codes)
    )
    assert steps == 100 + max(model.lm.pattern_provider.delays)
    assert distance < TOLERANCE < largest / 100


@pytest.mark.long
def test_thirty_seconds_of_musicgen_small_have_audiocrafts_logits() -> None:
    model = random_musicgen("small")
    codes = random_codes(model.lm.num_codebooks, model.lm.card, 1500)
    steps, distance, largest = largest_distance(
        our_logits(model, PIECE, codes), audiocrafts_logits(model, PIECE, codes)
    )
    print(f"\n{steps} steps: largest difference {distance:.2e} between logits of up to {largest:.1f}")
    assert steps == 1503
    assert distance < TOLERANCE < largest / 100


class Margins:
    """A sampler that also keeps, for each seed, at how many steps its first close call came."""

    def __init__(self) -> None:
        self.first_close: dict[tuple[int, int], int] = {}  # seed halves -> step

    def __call__(self, logits: torch.Tensor, steps: torch.Tensor, parameters: SamplingParameters) -> torch.Tensor:
        for song, step in enumerate(steps.tolist()):
            low, high = parameters.seed[song].tolist()
            if (low, high) not in self.first_close and margin(logits, steps, parameters, song) < MARGIN:
                self.first_close[low, high] = step
        return sample(logits, steps, parameters)


def margin(logits: torch.Tensor, steps: torch.Tensor, parameters: SamplingParameters, song: int) -> float:
    """By how much the chosen token leads in its closest codebook, noise included; 0 where top-k might cut it off."""
    scaled = logits[song : song + 1] / parameters.temperature[song]  # [1, codebooks, card]
    noise = gumbel(parameters.seed[song : song + 1], steps[song : song + 1], *logits.shape[1:])
    allowed = by_top_k(scaled, parameters.top_k[song : song + 1], scaled.shape[-1])
    lowest = scaled.masked_fill(~allowed, torch.inf).amin(dim=-1, keepdim=True)  # [1, codebooks, 1]
    choices, leads = [], []
    for slack in (-MARGIN, MARGIN):
        best = (scaled + noise).masked_fill(scaled < lowest + slack, -torch.inf).topk(2, dim=-1)
        choices.append(best.indices[..., 0])
        leads.append(best.values[..., 0] - best.values[..., 1])
    return float(torch.stack(leads).min()) if torch.equal(*choices) else 0.0


@pytest.fixture(scope="module")
def crowded(checkpoint: Callable[[str], Path]) -> Iterator[BatchingEngine]:
    """Not exact: the matrix products' kernels change with the number of songs."""
    engine = BatchingEngine.load(checkpoint("text"), slots=16)
    yield engine
    engine.close()


@pytest.mark.crowd
@settings(max_examples=settings.default.max_examples // 8, deadline=None, suppress_health_check=list(HealthCheck))
@given(seeds=st.lists(st.integers(0, 2**40), min_size=2, max_size=16, unique=True), start=st.integers(0, 100))
def test_without_exact_a_songs_codes_are_its_own_up_to_its_first_close_call(
    crowded: BatchingEngine, seeds: list[int], start: int
) -> None:
    draw = random.Random(start)
    pieces = [
        EngineRequest("calm piano", draw.choice((0.2, 0.4)), seed=seed, top_k=draw.choice((0, 50)), temperature=0.8)
        for seed in seeds
    ]
    margins = Margins()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_runner, "sample", margins)
        alone = [crowded.submit(piece).result().codes for piece in pieces]
    together = [handle.result().codes for handle in [crowded.submit(piece) for piece in pieces]]
    for seed, one, other in zip(seeds, alone, together, strict=True):
        low, high = seed_halves(seed)
        close = margins.first_close.get((low, high))
        # step s of the sequence holds frame s - delay: frames so far back are complete whatever the codebook
        certain = one.shape[1] if close is None else max(0, close - max(crowded._pattern.delays))
        assert np.array_equal(one[:, :certain], other[:, :certain])
