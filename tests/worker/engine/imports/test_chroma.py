"""The chroma filters are librosa's."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference_librosa import import_librosa
from worker.engine.imports.chroma import chroma


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate_hz", "size", "classes"), [(32_000, 1 << 14, 12), (16_000, 1 << 12, 12), (44_100, 2048, 24)]
)
def test_the_filters_are_librosas_value_for_value(
    rate_hz: int, size: int, classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = import_librosa(monkeypatch).filters.chroma(sr=rate_hz, n_fft=size, tuning=0, n_chroma=classes)
    ours = chroma(rate_hz, size, classes)
    assert ours.dtype == theirs.dtype
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("tuning", [0.0, 0.5])
def test_a_tone_falls_into_its_pitch_class(tuning: float) -> None:
    filters = chroma(sr=32_000, n_fft=1 << 14, tuning=tuning)
    for pitch_class in range(12):
        hz = 261.63 * 2 ** ((pitch_class + tuning) / 12)
        assert int(filters[:, round(hz * (1 << 14) / 32_000)].argmax()) == pitch_class
