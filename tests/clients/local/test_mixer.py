"""Mix clips and arrays by the package's AudioMixer. The sound itself is measured in tests/mixing."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from music_gen import AudioMixer, AudioOutput, errors

from mixing import Audio, measure
from tests.audio_fixtures import tone

PIANO = AudioOutput.from_samples(tone(440, 2.0, peak=0.3), 32_000, prompt="piano", model="tiny", seed=4)
DRUMS = AudioOutput.from_samples(tone(110, 1.0, rate_hz=48_000, channels=2), 48_000, prompt="drums", model="tiny")


def test_clips_become_a_clip_at_the_highest_rate_and_arrays_an_array() -> None:
    mixed = AudioMixer().mix_tracks({"piano": PIANO, "drums": DRUMS}, {"drums": -6.0}, {"piano": -1.0})
    assert isinstance(mixed, AudioOutput)
    assert (mixed.numpy().shape, mixed.sample_rate_hz) == ((2, 96_000), 48_000)
    assert (mixed.prompt, mixed.model, mixed.seed) == ("piano; drums", "tiny", None)
    arrays = AudioMixer(sample_rate_hz=32_000).mix_tracks({"a": PIANO.numpy(), "b": tone(220)[0]}, panning={"b": 1.0})
    assert isinstance(arrays, np.ndarray)
    assert arrays.shape == (2, 64_000)


def test_a_mastered_clip_has_that_loudness_in_its_file_too() -> None:
    mixer = AudioMixer()
    wide = mixer.apply_effects(PIANO, [{"type": "reverb", "wet": 0.3}], tail_s=0.5)
    mastered = mixer.master(wide, target_lufs=-10, headroom_db=0.1)
    assert (mastered.prompt, mastered.seed, mastered.duration_s) == ("piano", 4, 2.5)
    frames, rate_hz = soundfile.read(io.BytesIO(mastered.data), dtype="float32", always_2d=True)
    assert measure(Audio(frames.T, rate_hz)).lufs == pytest.approx(-10, abs=0.5)
    preset = mixer.mix_preset({"piano": PIANO, "drums": DRUMS}, "jazz_club", levels={"drums": -3.0})
    assert measure(Audio(preset.numpy(), preset.sample_rate_hz)).lufs == pytest.approx(-18, abs=0.5)


def test_what_is_wrong_is_named_field_by_field() -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        AudioMixer().mix_tracks({"piano": PIANO}, {"drums": 1.0}, {"piano": 7.0})
    assert set(caught.value.fields) == {"levels.drums", "panning.piano"}
    with pytest.raises(errors.InvalidRequest, match=r"AudioMixer\(sample_rate_hz="):
        AudioMixer().master(tone(440))
    with pytest.raises(errors.InvalidRequest, match="tracks"):
        AudioMixer().mix_tracks({})
