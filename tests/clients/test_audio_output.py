"""Save, decode, show and play an AudioOutput."""

from __future__ import annotations

import io
import os
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
import soundfile
from music_gen import AudioOutput, errors

from tests.audio_fixtures import file_of, tone

CLIP = tone(440, 1.0, channels=2, peak=0.5)


def clip_of(kind: str = "wav", **changes: object) -> AudioOutput:
    return AudioOutput(file_of(CLIP, 32_000, kind), kind, prompt="a < b", model="tiny", seed=7, **changes)


def test_samples_are_channels_by_samples_at_the_files_rate() -> None:
    clip = clip_of()
    assert clip.numpy().shape == (2, 32_000)
    assert clip.numpy().dtype == np.float32
    assert (clip.sample_rate_hz, clip.duration_s) == (32_000, 1.0)
    np.testing.assert_allclose(clip.numpy(), CLIP, atol=1e-4)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_a_clip_is_saved_as_its_name_says(kind: str, tmp_path: Path) -> None:
    path = clip_of("flac").save(tmp_path / f"clip.{kind}")
    samples, rate_hz = soundfile.read(path, always_2d=True)
    assert (rate_hz, samples.shape[1]) == (32_000, 2)
    assert abs(len(samples) - 32_000) < 3_000  # mp3 pads
    assert abs(samples[8_000:24_000].std() - CLIP.std()) < 0.01
    assert os.listdir(tmp_path) == [path.name]


def test_bytes_of_the_right_kind_are_saved_as_they_came(tmp_path: Path) -> None:
    clip = clip_of("mp3")
    assert clip.save(tmp_path / "x.MP3").read_bytes() == clip.data


def test_samples_over_full_scale_are_scaled_not_clipped_when_they_are_encoded(tmp_path: Path) -> None:
    loud = AudioOutput.from_samples(CLIP * 4, 32_000)
    for name, peak in (("x.wav", 1.0), ("x.ogg", 0.89)):  # a lossy codec needs room
        samples, _ = soundfile.read(loud.save(tmp_path / name), always_2d=True)
        assert abs(np.abs(samples).max() - peak) < 0.02
    exact, _ = soundfile.read(io.BytesIO(loud.data), always_2d=True)
    np.testing.assert_allclose(exact.T, CLIP / 0.5, atol=1e-3)
    assert loud.numpy().max() == pytest.approx(2.0, abs=0.001), "the samples stay what they were"


def test_a_name_without_a_known_kind_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.mp3"):
        clip_of().save(tmp_path / "music")
    assert os.listdir(tmp_path) == []


def test_a_notebook_shows_a_player_with_the_whole_clip_and_an_escaped_caption() -> None:
    clip = clip_of()
    page = clip._repr_html_()
    source = page.partition('src="data:audio/wav;base64,')[2].partition('"')[0]
    assert b64decode(source) == clip.data
    assert "<audio controls" in page
    assert "a &lt; b" in page


def test_playing_hands_a_wav_to_the_systems_player_and_needs_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    player, played = tmp_path / "aplay", tmp_path / "played.wav"
    player.write_text(f'#!/bin/sh\n/bin/cp "$2" "{played}"\n')
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.PlayerMissing, match="save"):
        clip_of().play()
    player.chmod(0o755)
    clip_of("flac").play()
    assert soundfile.info(io.BytesIO(played.read_bytes())).format == "WAV"
