from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from worker.audio.limiter import BLOCK_S, CausalLimiter

RATE_HZ = 32_000
CEILING = 0.89
BLOCK = round(BLOCK_S * RATE_HZ)

Samples = npt.NDArray[np.float32]


def loud(channels: int = 1, seconds: float = 2.0) -> Samples:
    """Noise under a slow swell, with single clicks: far over the ceiling here and there. [channels, samples]"""
    random = np.random.default_rng(7)
    frames = round(seconds * RATE_HZ)
    swell = 0.1 + 0.9 * np.abs(np.sin(np.arange(frames) / 9000))
    samples = random.normal(0, 0.4, (channels, frames)) * swell
    samples[:, random.integers(0, frames, 20)] = 3.0
    return samples.astype(np.float32)


def limited(samples: Samples, cuts: list[int] | None = None) -> tuple[Samples, CausalLimiter]:
    limiter = CausalLimiter(CEILING, RATE_HZ, len(samples))
    parts = [limiter.push(part) for part in np.split(samples, cuts or [], axis=1)]
    return np.concatenate([*parts, limiter.finish()], axis=1), limiter


@pytest.mark.parametrize("channels", [1, 2])
def test_joined_chunks_equal_one_call_bit_for_bit_however_they_were_cut(channels: int) -> None:
    samples = loud(channels)
    at_once, _ = limited(samples)
    random = np.random.default_rng(1)
    for cuts in (
        [1],
        [BLOCK],
        [BLOCK - 1, BLOCK, BLOCK + 1],
        sorted(random.integers(0, samples.shape[1], 50).tolist()),
    ):
        assert np.array_equal(limited(samples, cuts)[0], at_once)
    assert at_once.shape == samples.shape


def test_no_sample_passes_the_ceiling_by_more_than_rounding() -> None:
    at_once, limiter = limited(loud())
    assert np.abs(at_once).max() <= CEILING * (1 + 1e-6)
    assert limiter.reduced_db == pytest.approx(20 * np.log10(3.0 / CEILING), abs=0.01)


def test_what_is_not_loud_goes_through_untouched() -> None:
    quiet = loud() * np.float32(CEILING / 3.0)
    at_once, limiter = limited(quiet)
    assert np.array_equal(at_once, quiet)
    assert limiter.reduced_db == 0.0


def test_a_click_lowers_the_gain_near_it_which_then_recovers() -> None:
    tone = (0.5 * np.sin(np.arange(2 * RATE_HZ) / 10)).astype(np.float32)[None]
    clicked = tone.copy()
    clicked[0, RATE_HZ] = 2.0
    at_once, _ = limited(clicked)
    before = slice(0, RATE_HZ - 2 * BLOCK)
    assert np.array_equal(at_once[:, before], tone[:, before]), "it looks only a little ahead"
    beside = at_once[0, RATE_HZ + 1 : RATE_HZ + BLOCK]
    assert np.abs(beside).max() < 0.5
    last = slice(-BLOCK * 10, None)
    assert np.allclose(at_once[:, last], tone[:, last], atol=0.01)


def test_a_gain_never_jumps() -> None:
    """A straight line between bounds: over a constant tone, neighbouring samples' gains differ by little."""
    steady = np.full((1, RATE_HZ), 0.8, np.float32)
    steady[0, RATE_HZ // 2] = 1.6
    at_once, _ = limited(steady)
    gains = np.delete(at_once[0] / steady[0], RATE_HZ // 2)
    assert np.abs(np.diff(gains)).max() < 1.0 / BLOCK
    assert gains.min() < 0.6


@pytest.mark.parametrize("frames", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])
def test_the_shortest_sounds_keep_their_length(frames: int) -> None:
    samples = loud()[:, :frames]
    at_once, _ = limited(samples)
    assert at_once.shape == samples.shape
    assert frames == 0 or np.abs(at_once).max() <= CEILING * (1 + 1e-6)


def test_push_returns_all_but_the_last_blocks_at_once() -> None:
    limiter = CausalLimiter(CEILING, RATE_HZ, 1)
    assert limiter.push(loud(seconds=1.0)).shape[1] >= RATE_HZ - 2 * BLOCK
