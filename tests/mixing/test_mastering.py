"""Loudness and headroom, measured; the loudness meter itself against the tones that the EBU publishes."""

from __future__ import annotations

import numpy as np
import pytest

from mixing.audio import Audio
from mixing.dynamics import apply_limiter
from mixing.effects import Limiter
from mixing.errors import MixError
from mixing.loudness import TRIES, level_to, measure
from mixing.mixer import AudioMixer
from tests.audio_fixtures import noise, tone
from tests.mixing.measuring import RATE_HZ, audio, drums, hiss, sine, true_peak_dbtp

MIXER = AudioMixer()


@pytest.mark.parametrize("rate_hz", [16_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("level_dbfs", [-23.0, -33.0])
def test_the_meter_reads_the_ebus_reference_tone(level_dbfs: float, rate_hz: int) -> None:
    """EBU Tech 3341, cases 1 and 2: a stereo 1 kHz sine whose peak is -23 dBFS is -23 LUFS."""
    stereo = tone(1000, 20.0, rate_hz=rate_hz, channels=2, peak=10 ** (level_dbfs / 20))
    assert measure(Audio(stereo, rate_hz)).lufs == pytest.approx(level_dbfs, abs=0.1)


def test_the_meter_leaves_out_what_is_quiet() -> None:
    """EBU Tech 3341, case 3: the quiet ends are gated away."""
    parts = [
        tone(1000, seconds, channels=2, peak=10 ** (level / 20)) for seconds, level in ((10, -36), (60, -23), (10, -36))
    ]
    assert measure(audio(np.concatenate(parts, axis=1))).lufs == pytest.approx(-23, abs=0.1)


def test_a_true_peak_between_the_samples_is_seen() -> None:
    """A quarter of the rate, 45 degrees off: the samples reach 0.707 of the wave."""
    at = np.arange(RATE_HZ)
    wave = np.sin(np.pi / 2 * at + np.pi / 4).astype(np.float32)[None] * np.hanning(RATE_HZ).astype(np.float32)
    assert np.abs(wave).max() == pytest.approx(0.707, abs=0.01)
    assert measure(audio(wave)).true_peak_dbtp == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("target_lufs", [-24.0, -18.0, -12.0])
@pytest.mark.parametrize("headroom_db", [1.0, 3.0])
@pytest.mark.parametrize(
    "audio",
    [drums(), hiss(channels=2, peak=0.02), hiss(peak=3.0), sine(220, 4.0)],
    ids=["drums", "faint noise", "loud noise", "tone"],
)
def test_a_master_has_the_loudness_and_the_headroom_asked_for(
    audio: Audio, target_lufs: float, headroom_db: float
) -> None:
    mastered = MIXER.master(audio, target_lufs, headroom_db)
    assert measure(mastered).lufs == pytest.approx(target_lufs, abs=0.5)
    assert true_peak_dbtp(mastered) < -headroom_db + 0.1
    assert mastered.samples.shape == audio.samples.shape


def test_a_master_that_needs_no_limiting_is_the_same_audio_at_another_level() -> None:
    audio = sine(220, 4.0)
    mastered = MIXER.master(audio, -20)
    gain = np.abs(mastered.samples).max() / np.abs(audio.samples).max()
    np.testing.assert_allclose(mastered.samples, audio.samples * gain, atol=1e-6)


def test_loudness_and_headroom_that_exclude_each_other_are_an_error_with_the_loudness_possible() -> None:
    with pytest.raises(MixError) as caught:
        MIXER.master(hiss(), -6.0, 12.0)
    (error,) = caught.value.errors
    assert (error.field, error.value) == ("target_lufs", "-6")
    reachable = float(error.message.split("reaches ")[1].split(" LUFS")[0])
    assert measure(MIXER.master(hiss(), reachable, 12.0)).lufs == pytest.approx(reachable, abs=0.5)


def test_audio_at_the_largest_gain_is_not_limited_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of minutes, each time takes seconds, and would give the same."""
    limiters = []

    def count(samples: np.ndarray, effect: Limiter, rate_hz: int) -> np.ndarray:
        limiters.append(effect)
        return apply_limiter(samples, effect, rate_hz)

    monkeypatch.setattr("mixing.loudness.apply_limiter", count)
    click_s = np.zeros((1, 2 * RATE_HZ), np.float32)
    click_s[0, ::RATE_HZ] = 1.0
    level_to(audio(click_s), -6.0, -1.0)
    assert 1 < len(limiters) < TRIES


@pytest.mark.parametrize(
    ("audio", "settings", "field", "remedy"),
    [
        (Audio(np.zeros((1, RATE_HZ), np.float32), RATE_HZ), {}, "audio", "can be heard"),
        (Audio(noise(0.3), RATE_HZ), {}, "audio", "0.4 s"),
        (hiss(), {"target_lufs": -3}, "target_lufs", "from -40 to -6"),
        (hiss(), {"target_lufs": "loud"}, "target_lufs", "from -40 to -6"),
        (hiss(), {"headroom_db": 0}, "headroom_db", "from 0.1 to 24"),
    ],
    ids=["silence", "too short", "too loud", "no number", "no headroom"],
)
def test_what_cannot_be_mastered_names_the_field_and_the_remedy(
    audio: Audio, settings: dict[str, float], field: str, remedy: str
) -> None:
    with pytest.raises(MixError) as caught:
        MIXER.master(audio, **settings)
    assert caught.value.errors[0].field == field
    assert remedy in caught.value.errors[0].message
