from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from worker.audio.limiter import BLOCK_S, CausalLimiter

RATE_HZ = 32_000
CEILING = 0.89
BLOCK = round(BLOCK_S * RATE_HZ)

Sound = npt.NDArray[np.float32]


def loud(channels: int = 1, seconds: float = 2.0) -> Sound:
    """Noise under a slow swell, with single clicks: far over the ceiling here and there. [channels, samples]"""
    random = np.random.default_rng(7)
    frames = round(seconds * RATE_HZ)
    swell = 0.1 + 0.9 * np.abs(np.sin(np.arange(frames) / 9000))
    sound = random.normal(0, 0.4, (channels, frames)) * swell
    sound[:, random.integers(0, frames, 20)] = 3.0
    return sound.astype(np.float32)


def limited(sound: Sound, cuts: list[int] | None = None) -> tuple[Sound, CausalLimiter]:
    limiter = CausalLimiter(CEILING, RATE_HZ, len(sound))
    parts = [limiter.push(part) for part in np.split(sound, cuts or [], axis=1)]
    return np.concatenate([*parts, limiter.finish()], axis=1), limiter


@pytest.mark.parametrize("channels", [1, 2])
def test_joined_pieces_equal_one_call_bit_for_bit_however_they_were_cut(channels: int) -> None:
    sound = loud(channels)
    whole, _ = limited(sound)
    random = np.random.default_rng(1)
    for cuts in ([1], [BLOCK], [BLOCK - 1, BLOCK, BLOCK + 1], sorted(random.integers(0, sound.shape[1], 50).tolist())):
        assert np.array_equal(limited(sound, cuts)[0], whole)
    assert whole.shape == sound.shape


def test_no_sample_passes_the_ceiling_by_more_than_rounding() -> None:
    whole, limiter = limited(loud())
    assert np.abs(whole).max() <= CEILING * (1 + 1e-6)
    assert limiter.reduced_db == pytest.approx(20 * np.log10(3.0 / CEILING), abs=0.01)


def test_what_is_not_loud_goes_through_untouched() -> None:
    quiet = loud() * np.float32(CEILING / 3.0)
    whole, limiter = limited(quiet)
    assert np.array_equal(whole, quiet)
    assert limiter.reduced_db == 0.0


def test_a_click_lowers_what_is_near_it_and_then_lets_go() -> None:
    tone = (0.5 * np.sin(np.arange(2 * RATE_HZ) / 10)).astype(np.float32)[None]
    clicked = tone.copy()
    clicked[0, RATE_HZ] = 2.0
    whole, _ = limited(clicked)
    before = slice(0, RATE_HZ - 2 * BLOCK)
    assert np.array_equal(whole[:, before], tone[:, before]), "it looks only a little ahead"
    beside = whole[0, RATE_HZ + 1 : RATE_HZ + BLOCK]
    assert np.abs(beside).max() < 0.5
    last = slice(-BLOCK * 10, None)
    assert np.allclose(whole[:, last], tone[:, last], atol=0.01)


def test_a_gain_never_jumps() -> None:
    """A straight line between bounds: over a constant tone, neighbouring samples' gains differ by little."""
    steady = np.full((1, RATE_HZ), 0.8, np.float32)
    steady[0, RATE_HZ // 2] = 1.6
    whole, _ = limited(steady)
    gains = np.delete(whole[0] / steady[0], RATE_HZ // 2)
    assert np.abs(np.diff(gains)).max() < 1.0 / BLOCK
    assert gains.min() < 0.6


@pytest.mark.parametrize("frames", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])
def test_the_shortest_sounds_keep_their_length(frames: int) -> None:
    sound = loud()[:, :frames]
    whole, _ = limited(sound)
    assert whole.shape == sound.shape
    assert frames == 0 or np.abs(whole).max() <= CEILING * (1 + 1e-6)


def test_it_hands_out_all_but_the_last_blocks_at_once() -> None:
    limiter = CausalLimiter(CEILING, RATE_HZ, 1)
    assert limiter.push(loud(seconds=1.0)).shape[1] >= RATE_HZ - 2 * BLOCK
