"""The chroma of a melody is computed once for all requests that bring the same recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.model.chroma_cache import ChromaCache

from ..asking import MELODY, make_request


class Separation:
    """Count what is separated, and return a number for each."""

    def __init__(self) -> None:
        self.waves: list[torch.Tensor] = []

    def __call__(self, wave: torch.Tensor, rate_hz: int) -> torch.Tensor:
        self.waves.append(wave)
        return torch.tensor([len(self.waves)])


def wave(value: float, samples: int = 4) -> torch.Tensor:
    return torch.full((2, 1, samples), value)


def test_the_same_recording_is_computed_once_and_another_length_rate_or_sample_again() -> None:
    separate = Separation()
    cached = ChromaCache(separate)
    first = cached(wave(1.0), 32_000)
    assert cached(wave(1.0).clone(), 32_000) is first
    for other in (wave(1.0)[:, :, :2], wave(1.0)[:1], wave(0.5)):
        assert cached(other, 32_000) is not first
    assert cached(wave(1.0), 44_100) is not first
    assert len(separate.waves) == 5


def test_only_the_recordings_used_last_are_kept() -> None:
    separate = Separation()
    cached = ChromaCache(separate, kept=2)
    for value in (1.0, 2.0, 1.0, 3.0, 1.0, 2.0):  # 3 displaces 2, which has not been used since
        cached(wave(value), 32_000)
    assert [found[0, 0, 0].item() for found in separate.waves] == [1.0, 2.0, 3.0, 2.0]


def test_no_melody_is_neither_kept_nor_looked_up() -> None:
    separate = Separation()
    cached = ChromaCache(separate)
    cached(wave(0.0, samples=1), 32_000)
    cached(wave(0.0, samples=1), 32_000)
    assert len(separate.waves) == 2


@pytest.mark.slow
def test_four_variations_on_a_melody_separate_its_sources_once_and_differ(
    checkpoint: Callable[[str], Path], demucs_in_hub_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ContinuousBatchingEngine.load(checkpoint("melody"), slots=4)
    melody = engine._model.lm.condition_provider.conditioners["self_wav"]
    separated, separate = [], melody._get_stemmed_wav
    monkeypatch.setattr(melody, "_get_stemmed_wav", lambda *wave: separated.append(1) or separate(*wave))
    asked = [make_request(duration_s=0.2, melody=MELODY, seed=seed) for seed in (1, 2, 3, 4)]
    clips = [handle.result() for handle in [engine.submit(request) for request in asked]]
    engine.close()
    assert len(separated) == 1
    assert not np.array_equal(clips[0].codes, clips[1].codes)
