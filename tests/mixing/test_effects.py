"""Each effect does what its name says: measured in its output, beside what went in."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from mixing.audio import Audio
from mixing.effects import (
    EFFECTS,
    Chorus,
    Compressor,
    Delay,
    Effect,
    Equalizer,
    Gain,
    Highpass,
    Limiter,
    Lowpass,
    Reverb,
)
from mixing.errors import MixError
from mixing.mixer import AudioMixer
from tests.mixing.measuring import RATE_HZ, band_db, click, crest_db, drums, hiss, rms_db, sine, true_peak_dbtp


def through(audio: Audio, *chain: Effect, **how: float) -> Audio:
    return AudioMixer().apply_effects(audio, chain, **how)


def gain_at(frequency_hz: float, effect: Effect) -> float:
    """What the effect does to a tone, in dB, once it has settled."""
    audio = sine(frequency_hz, peak=0.1)
    processed = through(audio, effect)
    return rms_db(processed.samples[:, RATE_HZ // 2 :]) - rms_db(audio.samples[:, RATE_HZ // 2 :])


ONE_OF_EACH = (
    Gain(-3), Equalizer(1000, 6), Highpass(100), Lowpass(5000), Compressor(), Limiter(-3), Reverb(), Delay(), Chorus()
)  # fmt: skip


def test_one_of_each_is_tested_here() -> None:
    assert {effect.type for effect in ONE_OF_EACH} == set(EFFECTS)


@pytest.mark.parametrize("effect", ONE_OF_EACH, ids=lambda effect: effect.type)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_effect_keeps_length_rate_and_channels_and_changes_the_samples(effect: Effect, channels: int) -> None:
    audio = hiss(1.0, channels=channels, peak=0.9)
    processed = through(audio, effect)
    assert (processed.samples.shape, processed.samples.dtype) == (audio.samples.shape, np.float32)
    assert processed.sample_rate_hz == RATE_HZ
    assert np.isfinite(processed.samples).all()
    assert np.abs(processed.samples - audio.samples).max() > 0.01


@pytest.mark.parametrize("effect", ONE_OF_EACH, ids=lambda effect: effect.type)
def test_silence_stays_silent_and_two_samples_are_enough(effect: Effect) -> None:
    for frames in (2, 5000):
        processed = through(Audio(np.zeros((2, frames), np.float32), RATE_HZ), effect)
        assert not processed.samples.any()


@pytest.mark.parametrize("gain_db", [-12.0, -3.0, 6.0, 12.0])
def test_an_equalizer_band_moves_its_band_and_leaves_what_is_far(gain_db: float) -> None:
    band = Equalizer(1000, gain_db, q=2.0)
    assert gain_at(1000, band) == pytest.approx(gain_db, abs=0.1)
    assert gain_at(50, band) == pytest.approx(0, abs=0.2)
    assert gain_at(14_000, band) == pytest.approx(0, abs=0.2)


def test_shelves_move_all_below_or_all_above() -> None:
    low, high = Equalizer(300, 6.0, shape="low_shelf"), Equalizer(3000, -6.0, shape="high_shelf")
    assert [gain_at(hz, low) for hz in (40, 300, 8000)] == pytest.approx([6, 3, 0], abs=0.2)
    assert [gain_at(hz, high) for hz in (100, 3000, 14_000)] == pytest.approx([0, -3, -6], abs=0.2)


def test_an_equalizer_boosts_its_band_in_noise() -> None:
    processed, audio = through(hiss(), Equalizer(2000, 9.0, q=4.0)), hiss()
    assert band_db(processed, 1970, 2030) - band_db(audio, 1970, 2030) == pytest.approx(9, abs=0.5)
    assert band_db(processed, 200, 400) - band_db(audio, 200, 400) == pytest.approx(0, abs=0.3)


def test_highpass_and_lowpass_fall_by_12_db_per_octave() -> None:
    assert [gain_at(hz, Highpass(400)) for hz in (100, 200, 400, 4000)] == pytest.approx([-24, -12.3, -3, 0], abs=0.3)
    assert [gain_at(hz, Lowpass(400)) for hz in (40, 400, 800, 1600)] == pytest.approx([0, -3, -12.3, -24], abs=0.4)


def test_a_corner_above_what_the_rate_can_hold_is_no_error() -> None:
    assert gain_at(5000, Lowpass(20_000)) == pytest.approx(0, abs=0.1)


def test_a_compressor_lowers_the_crest_factor() -> None:
    at = np.arange(4 * RATE_HZ) / RATE_HZ
    swells = (0.02 + 0.9 * np.sin(np.pi * at) ** 8) * np.sin(2 * np.pi * 440 * at)
    processed = through(
        Audio(swells.astype(np.float32)[None], RATE_HZ), Compressor(-30, 6.0, attack_ms=1, release_ms=60)
    )
    assert crest_db(processed.samples) < crest_db(swells[None]) - 3


@pytest.mark.parametrize(("peak_db", "expected_db"), [(-40, 0.0), (-10, -7.5), (0, -15.0)])
def test_above_the_threshold_a_compressor_grows_by_one_over_its_ratio(peak_db: float, expected_db: float) -> None:
    audio = sine(1000, 2.0, peak=10 ** (peak_db / 20))
    processed = through(audio, Compressor(-20, 4.0, attack_ms=5, release_ms=1000, knee_db=0))
    settled = slice(RATE_HZ, None)
    assert rms_db(processed.samples[:, settled]) - rms_db(audio.samples[:, settled]) == pytest.approx(
        expected_db, abs=0.2
    )


def test_attack_and_release_are_as_long_as_they_say() -> None:
    """To 63 % of the way: loud from 1.0 to 2.0 s, quiet before and after."""
    at = np.arange(3 * RATE_HZ) / RATE_HZ
    loud = (at >= 1.0) & (at < 2.0)
    steady = Audio(np.where(loud, 1.0, 0.01).astype(np.float32)[None], RATE_HZ)
    processed = through(steady, Compressor(-20, 2.0, attack_ms=50, release_ms=200, knee_db=0))
    reduction_db = 20 * np.log10(steady.samples[0] / processed.samples[0])
    assert reduction_db[RATE_HZ : 2 * RATE_HZ].max() == pytest.approx(10, abs=0.1)
    assert at[np.argmax(reduction_db >= 6.32)] - 1.0 == pytest.approx(0.050, abs=0.002)
    after = (at >= 2.0) & (reduction_db <= 3.68)
    assert at[np.argmax(after)] - 2.0 == pytest.approx(0.200, abs=0.06)  # the attack's smoothing is in it


def test_both_channels_get_one_gain_so_the_stereo_image_stays() -> None:
    left, right = drums().samples[0], sine(300, 6.0, peak=0.1).samples[0]
    processed = through(Audio(np.stack([left, right]), RATE_HZ), Compressor(-30, 6.0))
    loud = (np.abs(left) > 0.01) & (np.abs(right) > 0.01)
    ratio = processed.samples[:, loud] / np.stack([left, right])[:, loud]
    assert ratio.min() < 0.5
    np.testing.assert_allclose(ratio[0], ratio[1], rtol=1e-3)


@pytest.mark.parametrize(
    "audio", [drums(), hiss(channels=2, peak=1.0), sine(8001, peak=1.3)], ids=["drums", "noise", "high"]
)
@pytest.mark.parametrize("ceiling_db", [-1.0, -6.0, -12.0])
def test_a_limiter_lets_no_true_peak_over_its_ceiling_and_uses_the_headroom(audio: Audio, ceiling_db: float) -> None:
    processed = through(audio, Limiter(ceiling_db))
    assert ceiling_db - 0.5 < true_peak_dbtp(processed) < ceiling_db + 0.1


def test_a_limiter_leaves_what_is_below_its_ceiling_untouched() -> None:
    audio = drums()
    quiet = Audio(audio.samples * np.float32(0.3), RATE_HZ)
    np.testing.assert_array_equal(through(quiet, Limiter(-1)).samples, quiet.samples)


def test_a_limiter_does_not_clip() -> None:
    """Clipping a tone gives it harmonics; a limiter's gain hardly moves on a steady one."""
    processed = through(sine(500, 2.0, peak=2.0), Limiter(-6))
    assert band_db(processed, 1400, 15_000) - band_db(processed, 450, 550) < -50


def test_a_reverb_has_a_tail_that_falls_by_60_db_in_its_decay_time() -> None:
    processed = through(click(3.0), Reverb(decay_s=1.5, pre_delay_ms=0, damping=0, wet=1.0)).samples[0]
    early, late = (rms_db(processed[round(at * RATE_HZ) : round((at + 0.1) * RATE_HZ)]) for at in (0.1, 1.1))
    assert early - late == pytest.approx(60 / 1.5, abs=2)
    assert not np.abs(processed[2 * RATE_HZ :]).max() > 1e-6


def test_a_reverb_begins_after_its_pre_delay_and_the_dry_signal_at_once() -> None:
    processed = through(click(), Reverb(pre_delay_ms=50, wet=0.3)).samples[0]
    before, start = processed[1 : round(0.049 * RATE_HZ)], round(0.05 * RATE_HZ)
    assert processed[0] == pytest.approx(0.5 * 0.7, abs=1e-3)
    assert np.abs(before).max() < 1e-6
    assert np.abs(processed[start : start + 320]).max() > 1e-4


def test_damping_makes_the_treble_of_a_reverb_decay_first() -> None:
    def late_treble(damping: float) -> float:
        tail = through(click(), Reverb(decay_s=1.5, damping=damping, wet=1.0)).samples[:, RATE_HZ // 2 : RATE_HZ]
        return band_db(Audio(tail, RATE_HZ), 6000, 15_000) - band_db(Audio(tail, RATE_HZ), 100, 1000)

    assert late_treble(0.8) < late_treble(0.0) - 20


def test_a_reverb_is_wide_and_as_loud_as_its_input() -> None:
    processed = through(hiss(channels=2), Reverb(decay_s=1.0, wet=1.0)).samples[:, 2 * RATE_HZ :]
    audio = np.tile(hiss().samples, (2, 1))
    wide = through(Audio(audio, RATE_HZ), Reverb(decay_s=1.0, wet=1.0)).samples[:, 2 * RATE_HZ :]
    assert abs(np.corrcoef(wide)[0, 1]) < 0.2
    assert rms_db(processed) == pytest.approx(rms_db(audio), abs=1)


def test_echoes_come_when_and_as_loud_as_the_delay_says() -> None:
    processed = through(click(), Delay(delay_ms=250, feedback=0.5, wet=0.4)).samples[0]
    at = np.flatnonzero(np.abs(processed) > 1e-4)[:5]
    assert (at / RATE_HZ).tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1.0], abs=1 / RATE_HZ)
    assert (processed[at] / 0.5).tolist() == pytest.approx([1, 0.4, 0.2, 0.1, 0.05], abs=1e-4)


def test_a_delay_longer_than_the_clip_is_in_the_tail() -> None:
    audio = click(0.1)
    assert not (through(audio, Delay(delay_ms=500)).samples - audio.samples).any()
    processed = through(audio, Delay(delay_ms=500, wet=0.5), tail_s=1.0)
    assert processed.duration_s == pytest.approx(1.1)
    assert processed.samples[0, RATE_HZ // 2] == pytest.approx(0.25)


def test_a_chorus_sways_the_pitch_by_its_depth_and_rate() -> None:
    """The voice's delay moves by depth * sin(2 pi rate t), so its pitch by 1 + 2 pi rate depth at most."""
    processed = through(sine(2000, 4.0), Chorus(rate_hz=1.0, depth_ms=5.0, centre_ms=10, wet=1.0)).samples[0]
    crossings = np.flatnonzero((processed[:-1] < 0) & (processed[1:] >= 0))[50:]
    fraction = processed[crossings] / (processed[crossings] - processed[crossings + 1])
    pitch_hz = RATE_HZ / np.diff(crossings + fraction)
    assert pitch_hz.max() == pytest.approx(2000 * (1 + 2 * np.pi * 0.005), rel=0.003)
    assert pitch_hz.min() == pytest.approx(2000 * (1 - 2 * np.pi * 0.005), rel=0.003)


def test_a_chain_is_applied_first_to_last() -> None:
    louder_last = through(sine(peak=0.5), Limiter(-12), Gain(12)).samples
    louder_first = through(sine(peak=0.5), Gain(12), Limiter(-12)).samples
    assert np.abs(louder_last).max() == pytest.approx(1.0, abs=0.02)
    assert np.abs(louder_first).max() == pytest.approx(0.25, abs=0.02)


def test_a_third_partys_plugin_may_be_in_a_chain() -> None:
    """Anything that is called with samples and rate; pedalboard's effects are."""
    seen = []

    def backwards(samples: np.ndarray, sample_rate_hz: float) -> np.ndarray:
        seen.append(sample_rate_hz)
        return samples[:, ::-1]

    processed = AudioMixer().apply_effects(click(1.0), [{"type": "gain", "gain_db": -6.0206}, backwards])
    assert (seen, processed.samples[0, -1]) == ([RATE_HZ], pytest.approx(0.25, abs=1e-4))


def test_a_plugin_that_changes_the_length_is_refused_by_its_position() -> None:
    with pytest.raises(MixError, match=r"effects\[1\]: a plugin must give back \[1, 32000\]"):
        AudioMixer().apply_effects(click(1.0), [Gain(0), lambda samples, rate: samples[:, :10]])


@pytest.mark.parametrize("kind", EFFECTS.values(), ids=EFFECTS)
def test_a_setting_out_of_range_is_refused_when_the_effect_is_made(kind: type[Effect]) -> None:
    required = {"gain": {"gain_db": 0.0}, "equalizer": {"frequency_hz": 100.0, "gain_db": 0.0}}
    given = required.get(kind.type, {"frequency_hz": 100.0} if "pass" in kind.type else {})
    kind(**given)
    first = fields(kind)[0].name
    for wrong in (1e9, 10**400, float("nan"), "3", True, None):
        with pytest.raises(MixError, match=rf"{kind.type}\.{first}: send a number from"):
            kind(**given | {first: wrong})
