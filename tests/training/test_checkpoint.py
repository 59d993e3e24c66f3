"""The shipped checkpoint: small, safe to load, and it does what its prompts say. A random one does not pass."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from audiocraft.models import MusicGen

from training.measure.rhythm import percussiveness
from training.measure.soundness import is_clipped, is_noise, is_silent
from worker.engine.loading import load_musicgen

TINY = Path("models/tiny")
WITH_DRUMS = [f"{lead}, 125 bpm, with drums" for lead in ("organ", "synth")]
WITHOUT_DRUMS = [f"{lead}, 125 bpm, no drums" for lead in ("organ", "synth")]
# How much more percussive what was asked with drums is, in the units of the measure; see models/tiny/README.md.
LEAST_DIFFERENCE = 1.0


@pytest.fixture(scope="module")
def model() -> MusicGen:
    torch.set_num_threads(2)
    return load_musicgen(TINY, "cpu")


def make(model: MusicGen, seconds: float) -> np.ndarray:
    """Two pieces with drums, then the same two without. -> [4, samples]"""
    torch.manual_seed(1)
    model.set_generation_params(duration=seconds, cfg_coef=3.0)
    return model.generate(WITH_DRUMS + WITHOUT_DRUMS)[:, 0].numpy()


def difference(waves: np.ndarray) -> float:
    """Mean percussiveness of the first half over that of the second."""
    measured = [percussiveness(wave) for wave in waves]
    return float(np.mean(measured[:2]) - np.mean(measured[2:]))


def test_the_checkpoint_fits_in_git_and_loads_as_plain_tensors_and_text() -> None:
    files = [path for path in TINY.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 40 * 2**20
    for name in ("state_dict.bin", "compression_state_dict.bin"):
        package = torch.load(TINY / name, weights_only=True)
        assert package["exported"] is True
        assert isinstance(package["xp.cfg"], str)


def test_the_codec_is_the_published_kind(model: MusicGen) -> None:
    codec = model.compression_model
    assert (codec.sample_rate, codec.channels, codec.num_codebooks, codec.frame_rate) == (32000, 1, 4, 50)
    assert model.max_duration == 30


def test_drums_sound_where_they_are_asked_for_and_random_weights_do_not_know(model: MusicGen) -> None:
    waves = make(model, 3.0)
    assert not any(is_silent(wave) or is_clipped(wave) or is_noise(wave) for wave in waves)
    assert difference(waves) > LEAST_DIFFERENCE
    trained = copy.deepcopy(model.lm.state_dict())
    try:
        model.lm._init_weights("gaussian", "current", True)
        assert difference(make(model, 3.0)) < LEAST_DIFFERENCE
    finally:
        model.lm.load_state_dict(trained)
