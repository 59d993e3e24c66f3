"""Checkpoints with and without demucs, with a text encoder inside, and hostile ones."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from shared.errors import ConfigurationError
from worker.engine.audiocraft_engine import AudiocraftEngine
from worker.engine.imports.audiocraft import (
    ChromaStemConditioner,
    InterleaveStereoCompressionModel,
    T5Conditioner,
    builders,
)
from worker.engine.imports.omegaconf import OmegaConf
from worker.engine.model.hub import CODEC_FILE, LM_FILE
from worker.engine.model.loading import PlainChromaConditioner, _autocast, load_musicgen

Checkpoints = Callable[[str], Path]


def melody_conditioner(engine: AudiocraftEngine) -> torch.nn.Module:
    return engine._model.lm.condition_provider.conditioners["self_wav"]


def test_demucs_or_not_is_each_checkpoints_own_choice(
    tiny: AudiocraftEngine, published_melody: AudiocraftEngine
) -> None:
    assert type(melody_conditioner(tiny)) is PlainChromaConditioner
    assert not hasattr(melody_conditioner(tiny), "demucs")
    assert type(melody_conditioner(published_melody)) is ChromaStemConditioner
    assert melody_conditioner(published_melody).demucs.sources == ["drums", "bass", "other", "vocals"]


def test_loading_changes_nothing_of_audiocrafts_own(checkpoint: Checkpoints) -> None:
    before = (list(T5Conditioner.MODELS), dict(T5Conditioner.MODELS_DIMS), builders.ChromaStemConditioner)
    load_musicgen(checkpoint("tiny"))
    after = (list(T5Conditioner.MODELS), dict(T5Conditioner.MODELS_DIMS), builders.ChromaStemConditioner)
    assert before == after
    assert builders.ChromaStemConditioner is ChromaStemConditioner


def test_every_weight_comes_from_the_file(checkpoint: Checkpoints) -> None:
    model = load_musicgen(checkpoint("tiny"))
    saved = torch.load(checkpoint("tiny") / LM_FILE, weights_only=True)["best_state"]
    loaded = model.lm.state_dict()
    assert loaded.keys() == saved.keys()
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)
    assert any("t5.encoder" in name for name in saved)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_weights_reach_their_precision_without_float16_in_between(
    checkpoint: Checkpoints, tmp_path: Path, dtype: torch.dtype
) -> None:
    """float16 has neither the first of these numbers (too large), nor the second (too small), nor the third's bits."""
    folder, name = shutil.copytree(checkpoint("text"), tmp_path / "fine"), "transformer.layers.0.linear1.weight"
    package = torch.load(folder / LM_FILE, weights_only=True)
    package["best_state"][name][0, :3] = torch.tensor([1e5, 1e-9, 1 + 2**-20])
    torch.save(package, folder / LM_FILE)
    model = load_musicgen(folder, dtype=dtype)
    weights, saved = model.lm.state_dict(), package["best_state"]
    assert weights[name].dtype is dtype
    assert torch.equal(weights[name], saved[name].to(dtype))
    assert torch.equal(weights[name], saved[name].half().to(dtype)) is (dtype is torch.float16)


def test_conditions_are_computed_in_the_weights_precision() -> None:
    assert _autocast("cpu", torch.float32).autocast is None
    for half in (torch.bfloat16, torch.float16):
        assert _autocast("cpu", half).autocast.fast_dtype is half


def test_the_melody_fills_the_same_prefix_as_in_the_published_models(tiny: AudiocraftEngine) -> None:
    assert melody_conditioner(tiny).chroma_len == 235
    assert melody_conditioner(tiny).match_len_on_eval


def test_a_stereo_checkpoint_has_eight_codebooks_and_two_channels(checkpoint: Checkpoints) -> None:
    model = load_musicgen(checkpoint("stereo"))
    assert isinstance(model.compression_model, InterleaveStereoCompressionModel)
    assert (model.lm.num_codebooks, model.audio_channels, model.frame_rate) == (8, 2, 50)


class Payload:
    """What a hostile pickle does when it is loaded."""

    def __init__(self, created: Path) -> None:
        self.created = created

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.created),)


@pytest.mark.parametrize("filename", [LM_FILE, CODEC_FILE])
def test_a_checkpoint_with_a_pickle_payload_is_refused(checkpoint: Checkpoints, tmp_path: Path, filename: str) -> None:
    folder = tmp_path / "hostile"
    shutil.copytree(checkpoint("tiny"), folder)
    package = torch.load(folder / filename, weights_only=True)
    torch.save({**package, "extra": Payload(tmp_path / "owned")}, folder / filename)
    with pytest.raises(pickle.UnpicklingError):
        load_musicgen(folder)
    assert not (tmp_path / "owned").exists()


def test_a_text_encoder_outside_the_checkpoint_is_refused(checkpoint: Checkpoints, tmp_path: Path) -> None:
    folder = tmp_path / "reaching"
    shutil.copytree(checkpoint("tiny"), folder)
    shutil.move(folder / "text_encoder", tmp_path / "elsewhere")
    package = torch.load(folder / LM_FILE, weights_only=True)
    config = OmegaConf.create(package["xp.cfg"])
    config.conditioners.description.t5.name = "../elsewhere"
    torch.save({**package, "xp.cfg": OmegaConf.to_yaml(config)}, folder / LM_FILE)
    with pytest.raises(ConfigurationError, match="outside the checkpoint"):
        load_musicgen(folder)


def test_a_folder_without_weights_names_the_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=LM_FILE):
        load_musicgen(tmp_path)
