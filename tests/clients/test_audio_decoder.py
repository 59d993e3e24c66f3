"""Read the samples of files that libsndfile does not know, and say what is missing where PyAV is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import soundfile
from music_gen import AudioOutput, Task, errors

from tests.audio_fixtures import contained, tone

CLIP = tone(440, 1.0, channels=2, peak=0.5)
M4A = contained(CLIP, 32_000, "ipod", "aac")


def test_an_m4a_is_saved_as_it_came_and_decoded_by_pyav(tmp_path: Path) -> None:
    clip = AudioOutput(M4A, "m4a")
    assert clip.save(tmp_path / "x.m4a").read_bytes() == M4A
    assert (clip.numpy().shape[0], clip.sample_rate_hz) == (2, 32_000)
    assert clip.numpy()[:, 8_000:24_000].std() == pytest.approx(CLIP.std(), rel=0.02)
    assert soundfile.info(clip.save(tmp_path / "x.wav")).samplerate == 32_000
    assert 'src="data:audio/mp4;base64,' in clip._repr_html_()


def test_without_pyav_an_m4a_tells_what_the_server_told_and_what_to_do_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    task = Task("t", "completed", output_format="m4a", duration_s=1.0, sample_rate_hz=32_000)
    clip = AudioOutput(M4A, "m4a", task=task)
    assert (clip.duration_s, clip.sample_rate_hz) == (1.0, 32_000)
    assert "1.0 s, m4a, 32000 Hz" in repr(clip)
    assert clip.save(tmp_path / "x.m4a").read_bytes() == M4A
    for needs_samples in (clip.numpy, lambda: clip.save(tmp_path / "x.wav")):
        with pytest.raises(errors.DecoderMissing, match="pip install av, or ask for another format"):
            needs_samples()
