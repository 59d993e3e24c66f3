"""What the demo says of its results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stack.demo_analysis import SAMPLE_RATE_HZ, analyse, draw
from stack.demo_melody import BEAT_S, synthesise

pytestmark = pytest.mark.slow


@pytest.fixture
def hum(tmp_path: Path) -> Path:
    path = tmp_path / "hum.wav"
    soundfile.write(path, synthesise(8.0), SAMPLE_RATE_HZ)
    return path


def test_a_hum_agrees_with_itself_and_keeps_its_own_beat(hum: Path) -> None:
    analysis = analyse(hum, hum)
    assert analysis.agreement is not None
    assert analysis.agreement > 0.99
    octaves = [analysis.bpm * octave / (60 / BEAT_S) for octave in (0.5, 1, 2)]
    assert min(abs(ratio - 1) for ratio in octaves) < 0.08, analysis.bpm


def test_a_transposed_hum_agrees_less_and_only_a_melody_is_compared(hum: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.wav"
    wave = synthesise(8.0)
    at = np.arange(0, len(wave), 2 ** (1 / 12))  # a semitone up
    soundfile.write(other, np.interp(at, np.arange(len(wave)), wave), SAMPLE_RATE_HZ)
    agreement = analyse(other, hum).agreement
    assert agreement is not None
    assert agreement < 0.3
    assert analyse(other).agreement is None
    assert "melody" not in str(analyse(other))


def test_the_picture_lies_beside_the_file_and_is_a_picture(hum: Path) -> None:
    picture = draw(hum, "a hum")
    assert picture == hum.with_suffix(".png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
