from __future__ import annotations

import math

import pytest
import torch

from worker.engine.model.sampler import SamplingParameters, gumbel, sample, seed_halves

CARD = 64


def parameters(count: int, **changes: float) -> SamplingParameters:
    seed, top_k, top_p = int(changes.get("seed", 0)), int(changes.get("top_k", 0)), changes.get("top_p", 0.0)
    return SamplingParameters(
        torch.full((count,), changes.get("temperature", 1.0)),
        torch.full((count,), top_k),
        torch.full((count,), top_p),
        torch.tensor([seed_halves(seed + row) for row in range(count)], dtype=torch.int32),
        widest_top_k=top_k,
        any_top_p=top_p > 0,
    )


def logits_of(count: int, codebooks: int = 4) -> torch.Tensor:
    return torch.randn(count, codebooks, CARD, generator=torch.Generator().manual_seed(1))


def test_the_noise_is_standard_gumbel() -> None:
    noise = gumbel(
        torch.tensor([seed_halves(seed) for seed in range(64)], dtype=torch.int32), torch.arange(64), 4, 2048
    )
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.01)
    assert float(noise.var()) == pytest.approx(math.pi**2 / 6, rel=0.01)


def test_neighbouring_counters_are_not_correlated() -> None:
    seeds = torch.tensor([seed_halves(seed) for seed in (1, 2, 2**32 + 1)], dtype=torch.int32)
    rows = torch.cat([gumbel(seeds, torch.full((3,), step), 2, 4096).flatten(0, 1) for step in (5, 6)])
    correlation = torch.corrcoef(rows) - torch.eye(len(rows))
    assert float(correlation.abs().max()) < 0.06


def test_samples_follow_the_softmax() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0]).expand(1, 1, 4).repeat(4000, 1, 1)
    tokens = sample(logits, torch.arange(4000), parameters(4000))
    found = torch.bincount(tokens.flatten(), minlength=4) / 4000
    assert torch.allclose(found, logits[0, 0].softmax(0), atol=0.03)


def test_a_sequences_tokens_depend_on_its_own_row_only() -> None:
    logits, steps, batched = logits_of(8), torch.arange(8), parameters(8, top_k=10)
    tokens = sample(logits, steps, batched)
    for row in (0, 3, 7):
        solo = parameters(1, top_k=10)
        solo.seed.copy_(batched.seed[row : row + 1])
        assert torch.equal(sample(logits[row : row + 1], steps[row : row + 1], solo)[0], tokens[row])


def test_temperature_zero_is_greedy_whatever_the_seed() -> None:
    logits = logits_of(3)
    assert torch.equal(sample(logits, torch.zeros(3), parameters(3, temperature=0.0)), logits.argmax(-1))


def test_top_k_draws_only_from_the_k_likeliest() -> None:
    logits = logits_of(1).repeat(500, 1, 1)
    tokens = sample(logits, torch.arange(500), parameters(500, top_k=5))
    allowed = logits[0].topk(5).indices
    for codebook in range(4):
        assert set(tokens[:, codebook].tolist()) == set(allowed[codebook].tolist())


def test_top_p_wins_over_top_k_and_keeps_the_mass_asked_for() -> None:
    logits = torch.tensor([4.0, 3.0, 0.0, -1.0]).expand(1, 1, 4).repeat(2000, 1, 1)
    tokens = sample(logits, torch.arange(2000), parameters(2000, top_p=0.9, top_k=1))
    assert set(tokens.flatten().tolist()) == {0, 1}


def test_rows_with_and_without_top_p_may_share_a_batch() -> None:
    logits, steps = logits_of(2), torch.tensor([3, 3])
    mixed = parameters(2, top_k=4)
    mixed.top_p[1], mixed.any_top_p = 0.5, True
    solo = parameters(2, top_k=4)
    assert torch.equal(sample(logits, steps, mixed)[0], sample(logits, steps, solo)[0])
