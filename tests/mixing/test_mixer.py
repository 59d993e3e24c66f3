"""Tracks into one: levels, panning, rates, channels and lengths, by measurement."""

from __future__ import annotations

import numpy as np
import pytest

from mixing.audio import Audio
from mixing.errors import MixError
from mixing.mixer import AudioMixer
from tests.audio_fixtures import loudest_hz, tone
from tests.mixing.measuring import RATE_HZ, audio, click, hiss, rms_db, sine

MIXER = AudioMixer()


def energy(samples: np.ndarray) -> float:
    return float((samples.astype(np.float64) ** 2).sum())


@pytest.mark.parametrize("position", [-1.0, -0.6, -0.25, 0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("channels", [1, 2], ids=["mono", "stereo"])
def test_panning_keeps_the_energy_at_every_position(position: float, channels: int) -> None:
    source = audio(np.tile(hiss().samples, (channels, 1)))
    mixed = MIXER.mix_tracks({"x": source}, panning={"x": position})
    assert 10 * np.log10(energy(mixed.samples) / energy(source.samples)) == pytest.approx(0, abs=0.01)


def test_panning_moves_a_track_from_left_to_right() -> None:
    shares = []
    for position in (-1.0, -0.5, 0.0, 0.5, 1.0):
        left, right = MIXER.mix_tracks({"x": hiss()}, panning={"x": position}).samples
        shares.append(energy(right) / (energy(left) + energy(right)))
    assert shares == pytest.approx([0.0, 0.146, 0.5, 0.854, 1.0], abs=0.001)


def test_stereo_in_the_middle_is_left_exactly_as_it_is() -> None:
    source = audio(np.concatenate([tone(440), tone(660)]))
    np.testing.assert_allclose(MIXER.mix_tracks({"x": source}).samples, source.samples, atol=1e-6)


@pytest.mark.parametrize("level_db", [-40.0, -6.0, 0.0, 12.0])
def test_a_level_is_in_decibels(level_db: float) -> None:
    plain, levelled = (MIXER.mix_tracks({"x": hiss()}, {"x": level}) for level in (0.0, level_db))
    assert rms_db(levelled.samples) - rms_db(plain.samples) == pytest.approx(level_db, abs=0.01)


def test_a_mix_is_the_sum_of_its_tracks() -> None:
    tracks = {"a": sine(440), "b": sine(660), "c": hiss(1.0)}
    settings = {"a": -3.0, "b": 2.0, "c": -12.0}
    whole = MIXER.mix_tracks(tracks, settings, {"a": -0.5, "c": 0.7})
    alone = [MIXER.mix_tracks({name: tracks[name]}, {name: settings[name]}, {name: pan}).samples
             for name, pan in (("a", -0.5), ("b", 0.0), ("c", 0.7))]  # fmt: skip
    np.testing.assert_allclose(whole.samples, sum(alone), atol=1e-6)


def test_a_track_at_the_least_level_is_left_out_and_one_must_be_heard() -> None:
    tracks = {"a": sine(440), "b": sine(660, 3.0)}
    mixed = MIXER.mix_tracks(tracks, {"b": -96}, effects={"b": [{"type": "reverb"}]})
    assert mixed.duration_s == 3.0, "the mix is as long as with it"
    alone = MIXER.mix_tracks({"a": tracks["a"]}).samples
    np.testing.assert_array_equal(mixed.samples[:, : alone.shape[1]], alone)
    assert not mixed.samples[:, alone.shape[1] :].any()
    with pytest.raises(MixError, match="leaves out every track") as refused:
        MIXER.mix_tracks(tracks, {"a": -96, "b": -96})
    assert [error.field for error in refused.value.errors] == ["levels"]


def test_tracks_of_different_rates_keep_their_pitch_and_length() -> None:
    tracks = {"low": sine(440, 2.0, rate_hz=16_000), "mid": sine(990, 2.0), "high": sine(3000, 2.0, rate_hz=48_000)}
    mixed = MIXER.mix_tracks(tracks, panning={"low": -1.0, "high": 1.0}, levels={"mid": -40.0})
    assert (mixed.sample_rate_hz, mixed.duration_s) == (48_000, pytest.approx(2.0, abs=0.001))
    assert loudest_hz(mixed.samples[0], 48_000) == pytest.approx(440, abs=0.5)
    assert loudest_hz(mixed.samples[1], 48_000) == pytest.approx(3000, abs=0.5)


def test_resampling_adds_nothing_beside_the_tone() -> None:
    mixed = AudioMixer(sample_rate_hz=44_100).mix_tracks({"x": sine(1000, 2.0)})
    assert mixed.sample_rate_hz == 44_100
    inner = mixed.samples[0, 4410:-4410].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(inner * np.blackman(len(inner)))) ** 2
    at_hz = np.fft.rfftfreq(len(inner), 1 / 44_100)
    beside = spectrum[np.abs(at_hz - 1000) > 20].sum() / spectrum.sum()
    assert 10 * np.log10(beside) < -80


def test_the_mix_is_as_long_as_its_longest_track_and_the_tail_that_is_asked_for() -> None:
    tracks = {"short": sine(seconds=0.5), "long": sine(seconds=2.0)}
    assert MIXER.mix_tracks(tracks).duration_s == 2.0
    assert MIXER.mix_tracks(tracks, tail_s=1.5).duration_s == 3.5
    assert not MIXER.mix_tracks({"short": tracks["short"]}, tail_s=1.0).samples[:, RATE_HZ:].any()


def test_effects_reach_the_track_that_they_are_for_and_no_other() -> None:
    tracks = {"dry": sine(440), "wet": click(1.0)}
    mixed = MIXER.mix_tracks(tracks, panning={"dry": -1.0, "wet": 1.0}, effects={"wet": [{"type": "reverb"}]})
    np.testing.assert_allclose(mixed.samples[0], tracks["dry"].samples[0], atol=1e-6)
    assert rms_db(mixed.samples[1, 1000:20_000]) > -80


def test_a_plain_row_of_samples_is_mono() -> None:
    assert MIXER.mix_tracks({"x": Audio(tone()[0], RATE_HZ)}).samples.shape == (2, RATE_HZ)


def test_equal_tracks_give_equal_mixes() -> None:
    effects = {"x": [{"type": "reverb"}, {"type": "chorus"}, {"type": "compressor"}]}
    first, second = (MIXER.mix_tracks({"x": hiss(1.0)}, effects=effects) for _ in range(2))
    np.testing.assert_array_equal(first.samples, second.samples)


def test_the_given_tracks_are_not_changed() -> None:
    source = hiss(1.0)
    before = source.samples.copy()
    MIXER.master(MIXER.mix_tracks({"x": source}, {"x": -3.0}, effects={"x": [{"type": "delay"}]}), -20)
    np.testing.assert_array_equal(source.samples, before)


# What is refused


@pytest.mark.parametrize(
    ("settings", "field", "remedy"),
    [
        ({"tracks": {}}, "tracks", "at least one"),
        ({"levels": {"piano": "loud"}}, "levels.piano", "from -96 to 24"),
        ({"levels": {"piano": float("nan")}}, "levels.piano", "from -96 to 24"),
        ({"levels": {"piano": True}}, "levels.piano", "from -96 to 24"),
        ({"levels": {"paino": 0}}, "levels.paino", "tracks: piano, bass"),
        ({"levels": [0, 1]}, "levels", "object of track names"),
        ({"panning": {"bass": 1.5}}, "panning.bass", "from -1 to 1"),
        ({"effects": {"bass": {"type": "reverb"}}}, "effects.bass", "must be a list"),
        ({"effects": {"bass": [{"type": "gain", "gain_db": 1}, {"type": "x"}]}}, "effects.bass[1].type", "compressor"),
        ({"effects": {"bass": ["reverb"]}}, "effects.bass[0]", "must be an object"),
        ({"effects": {"bass": [{"type": "gain", "gain_db": 0}] * 17}}, "effects.bass", "at most 16"),
        ({"tail_s": 31}, "tail_s", "from 0 to 30"),
        ({"tracks": {"x": tone()}}, "tracks.x", "send an Audio"),
        ({"tracks": {"x": audio(np.zeros((3, 100), np.float32))}}, "tracks.x", "one or two channels"),
        ({"tracks": {"x": audio(tone().T)}}, "tracks.x", "transpose"),
        ({"tracks": {"x": audio(np.zeros((1, 0), np.float32))}}, "tracks.x", "no samples"),
        ({"tracks": {"x": audio((tone() * 32767).astype(np.int16))}}, "tracks.x", "divide"),
        ({"tracks": {"x": audio(tone() * np.float32(np.nan))}}, "tracks.x", "NaN"),
        ({"tracks": {"x": audio(tone(), 100)}}, "tracks.x.sample_rate_hz", "from 4000"),
    ],
)  # fmt: skip
def test_a_wrong_setting_names_the_field_the_value_and_the_remedy(
    settings: dict[str, object], field: str, remedy: str
) -> None:
    with pytest.raises(MixError) as caught:
        MIXER.mix_tracks(**{"tracks": {"piano": sine(), "bass": sine(110)}} | settings)
    (error,) = caught.value.errors
    assert error.field == field
    assert remedy in error.message
    assert error.value


def test_all_wrong_settings_are_reported_together() -> None:
    with pytest.raises(MixError) as caught:
        MIXER.mix_tracks({"x": sine()}, {"x": 99}, {"x": -2}, {"x": [{"type": "reverb", "wet": 2, "size": 1}]})
    fields = {error.field for error in caught.value.errors}
    assert fields == {"levels.x", "panning.x", "effects.x[0].wet", "effects.x[0].size"}
