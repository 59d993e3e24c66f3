"""The decoder's logits equal audiocraft's step by step; sampled codes may differ in a batch only at close calls."""

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
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.model.delay_pattern import pattern_of
from worker.engine.model.loading import load_musicgen
from worker.engine.model.sampler import SamplingParameters, by_top_k, gumbel, sample, seed_halves
from worker.engine.runners import cpu_runner

pytestmark = pytest.mark.slow

TOLERANCE = 1e-4
MARGIN = 1e-3
REQUEST = EngineRequest("slow sad piano in A minor", 30.0)


def random_codes(codebooks: int, card: int, frames: int) -> torch.Tensor:
    return torch.randint(card, (codebooks, frames), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", ["text", "tiny", "stereo"])
def test_a_hundred_steps_of_given_codes_have_audiocrafts_logits(checkpoint: Callable[[str], Path], shape: str) -> None:
    model = load_musicgen(checkpoint(shape))
    codes = random_codes(model.lm.num_codebooks, model.lm.card, 100)
    steps, distance, largest = largest_distance(
        our_logits(model, REQUEST, codes), audiocrafts_logits(model, REQUEST, codes)
    )
    assert steps == 100 + max(pattern_of(model).delays)
    assert distance < TOLERANCE < largest / 100


@pytest.mark.long
def test_thirty_seconds_of_musicgen_small_have_audiocrafts_logits() -> None:
    model = random_musicgen("small")
    codes = random_codes(model.lm.num_codebooks, model.lm.card, 1500)
    steps, distance, largest = largest_distance(
        our_logits(model, REQUEST, codes), audiocrafts_logits(model, REQUEST, codes)
    )
    print(f"\n{steps} steps: largest difference {distance:.2e} between logits of up to {largest:.1f}")
    assert steps == 1503
    assert distance < TOLERANCE < largest / 100


class Margins:
    """Sample, and record for each seed the step of its first close call."""

    def __init__(self) -> None:
        self.first_close: dict[tuple[int, int], int] = {}  # seed halves -> step

    def __call__(self, logits: torch.Tensor, steps: torch.Tensor, parameters: SamplingParameters) -> torch.Tensor:
        for row, step in enumerate(steps.tolist()):
            low, high = parameters.seed[row].tolist()
            if (low, high) not in self.first_close and margin(logits, steps, parameters, row) < MARGIN:
                self.first_close[low, high] = step
        return sample(logits, steps, parameters)


def margin(logits: torch.Tensor, steps: torch.Tensor, parameters: SamplingParameters, row: int) -> float:
    """Return the chosen token's lead in its closest codebook, noise included; 0 where top-k might cut it off."""
    scaled = logits[row : row + 1] / parameters.temperature[row]  # [1, codebooks, card]
    noise = gumbel(parameters.seed[row : row + 1], steps[row : row + 1], *logits.shape[1:])
    allowed = by_top_k(scaled, parameters.top_k[row : row + 1], scaled.shape[-1])
    lowest = scaled.masked_fill(~allowed, torch.inf).amin(dim=-1, keepdim=True)  # [1, codebooks, 1]
    choices, leads = [], []
    for slack in (-MARGIN, MARGIN):
        best = (scaled + noise).masked_fill(scaled < lowest + slack, -torch.inf).topk(2, dim=-1)
        choices.append(best.indices[..., 0])
        leads.append(best.values[..., 0] - best.values[..., 1])
    return float(torch.stack(leads).min()) if torch.equal(*choices) else 0.0


@pytest.fixture(scope="module")
def batched_engine(checkpoint: Callable[[str], Path]) -> Iterator[ContinuousBatchingEngine]:
    """Load an engine that is not exact: its matrix kernels change with the number of sequences."""
    engine = ContinuousBatchingEngine.load(checkpoint("text"), slots=16)
    yield engine
    engine.close()


@pytest.mark.crowd
@settings(max_examples=settings.default.max_examples // 8, deadline=None, suppress_health_check=list(HealthCheck))
@given(seeds=st.lists(st.integers(0, 2**40), min_size=2, max_size=16, unique=True), start=st.integers(0, 100))
def test_without_exact_codes_equal_the_solo_ones_up_to_the_first_close_call(
    batched_engine: ContinuousBatchingEngine, seeds: list[int], start: int
) -> None:
    draw = random.Random(start)
    requests = [
        EngineRequest("calm piano", draw.choice((0.2, 0.4)), seed=seed, top_k=draw.choice((0, 50)), temperature=0.8)
        for seed in seeds
    ]
    margins = Margins()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_runner, "sample", margins)
        solo = [batched_engine.submit(request).result().codes for request in requests]
    batched = [handle.result().codes for handle in [batched_engine.submit(request) for request in requests]]
    for seed, one, other in zip(seeds, solo, batched, strict=True):
        low, high = seed_halves(seed)
        close = margins.first_close.get((low, high))
        # step s of the sequence holds frame s - delay: frames so far back are complete whatever the codebook
        certain = one.shape[1] if close is None else max(0, close - max(batched_engine._pattern.delays))
        assert np.array_equal(one[:, :certain], other[:, :certain])
