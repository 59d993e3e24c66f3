"""The random checkpoints are audible, unclipped, quick, reproducible, and in the published format."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import T5Tokenizer

from tools.random_checkpoint import SHAPES, TEXT_ENCODER_FOLDER, write_checkpoint
from worker.engine.audiocraft_engine import AudiocraftEngine
from worker.engine.core.types import EngineRequest
from worker.engine.model.hub import CODEC_FILE, LM_FILE
from worker.engine.model.loading import load_codec


@pytest.mark.parametrize("shape", SHAPES)
def test_a_checkpoint_is_audiocrafts_exported_package(checkpoint: Callable[[str], Path], shape: str) -> None:
    for filename in (LM_FILE, CODEC_FILE):
        package = torch.load(checkpoint(shape) / filename, weights_only=True)
        assert set(package) == {"best_state", "xp.cfg", "version", "exported"}
        assert isinstance(package["xp.cfg"], str)
    assert shape == "wide" or sum(path.stat().st_size for path in checkpoint(shape).rglob("*.*")) < 4e6


def test_only_tiny_says_anything_of_separation(checkpoint: Callable[[str], Path]) -> None:
    configs = {s: torch.load(checkpoint(s) / LM_FILE, weights_only=True)["xp.cfg"] for s in SHAPES}
    assert {s for s in SHAPES if "separate" in configs[s]} == {"tiny"}
    assert "separate: false" in configs["tiny"]


def test_random_codes_are_audible_unclipped_and_uncorrelated(checkpoint: Callable[[str], Path]) -> None:
    codec = load_codec(checkpoint("tiny"), "cpu")
    with torch.no_grad():
        codes = torch.randint(256, (2, 4, 250), generator=torch.Generator().manual_seed(1))
        waveform = codec.decode(codes)[:, 0].numpy()  # [batch, samples]
    assert 0.05 < waveform.std() < 0.12
    assert np.abs(waveform).max() < 0.9
    assert abs(np.corrcoef(waveform)[0, 1]) < 0.3


def test_the_codec_round_trips_codes_it_can_encode(checkpoint: Callable[[str], Path]) -> None:
    codec = load_codec(checkpoint("tiny"), "cpu")
    with torch.no_grad():
        codes, scale = codec.encode(torch.randn(1, 1, 32_000) * 0.1)
    assert scale is None
    assert codes.shape == (1, 4, 50)


def test_two_seconds_take_less_than_two_of_the_processor(
    tiny: AudiocraftEngine, make_request: Callable[..., EngineRequest]
) -> None:
    """About 0.8 s; counted by the processor, as others may keep it busy."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        tiny.submit(make_request(duration_s=2.0)).result()
        spent.append(time.process_time() - began)
    assert min(spent) < 2.0


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    one, same, other = (
        torch.load(write_checkpoint("text", tmp_path / name, seed) / LM_FILE, weights_only=True)["best_state"]
        for name, seed in (("one", 3), ("same", 3), ("other", 4))
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["emb.0.weight"], other["emb.0.weight"])


def test_both_tokenizers_read_the_vocabulary_alike(checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint("text") / TEXT_ENCODER_FOLDER
    slow, fast = T5Tokenizer.from_pretrained(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in ("a slow sad piano ballad", "", "  two   spaces ", "0123456789", "Café ½ 日本 \ufb01", "<pad>x"):
        assert slow(text)["input_ids"] == fast.encode(text).ids
    assert slow.unk_token_id not in fast.encode("0123456789 bpm, 8-bit & c# major!").ids
