"""The recipe runs from nothing to a checkpoint that makes sound."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training import smoke
from training.codec.build import load_codec_state
from training.lm import train
from worker.engine.model.loading import load_musicgen

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("torch")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One smoke run for all tests here."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("smoke")
    smoke.run(folder, folder / "checkpoint")
    return folder


def test_the_smoke_profile_ends_in_a_checkpoint_that_loads_and_generates(folder: Path) -> None:
    model = load_musicgen(folder / "checkpoint", "cpu")
    model.set_generation_params(duration=0.4, top_k=10)
    assert model.generate(["slow piano"]).shape == (1, 1, 12800)
    assert model.generate_with_chroma(["piano"], torch.randn(1, 1, 64000) * 0.1, 32000).shape == (1, 1, 12800)


def test_the_language_model_goes_on_from_where_it_stopped(folder: Path) -> None:
    before = torch.load(folder / "lm.pt", weights_only=True)
    train.main([str(folder), str(folder / "lm.pt"), *smoke.LM_SHAPE, "--steps", "6"])
    after = torch.load(folder / "lm.pt", weights_only=True)
    assert (before["step"], after["step"]) == (4, 6)


def test_the_export_keeps_codebooks_and_decoder_exactly(folder: Path) -> None:
    trained = load_codec_state(folder / "codec.pt").state_dict()
    shipped = load_musicgen(folder / "checkpoint", "cpu").compression_model.state_dict()
    assert all(torch.equal(trained[name], shipped[name]) for name in trained if not name.startswith("encoder."))
