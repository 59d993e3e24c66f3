"""Build models of the published shapes with random weights: true to the cost of a step, not to any music.

Figures from facebook/musicgen-*: layers, width and heads of Copet et al. 2023 (table of model sizes); T5-base as text
encoder; EnCodec at 32 kHz with 64 filters. `tiny` is for tests of the programs here. Nothing is downloaded.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoTokenizer, EncodecConfig, MusicgenConfig, MusicgenForConditionalGeneration, T5Config
from transformers.models.musicgen import MusicgenDecoderConfig

from bench.demucs_weights import demucs_below
from bench.weights_layout import AUDIOCRAFT_FOLDER, TRANSFORMERS_FOLDER
from tools.random_checkpoint import (
    TEXT_ENCODER_FOLDER,
    codec_config,
    lm_config,
    random_codec,
    save_package,
    without_demucs,
    write_demucs,
    write_text_encoder,
)
from worker.engine.imports.audiocraft import MusicGen
from worker.engine.imports.omegaconf import OmegaConf
from worker.engine.model.hub import CODEC_FILE, LM_FILE
from worker.engine.model.loading import build_lm

T5_BASE: dict[str, Any] = {"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_heads": 12, "num_layers": 12}
T5_TINY: dict[str, Any] = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_heads": 4, "num_layers": 1}
CODEBOOKS = 4
HTDEMUCS: dict[str, Any] = {
    "samplerate": 44_100,
    "segment": Fraction(39, 5),
    "bottom_channels": 512,
}  # else its defaults


@dataclass(frozen=True)
class Shape:
    layers: int
    dim: int
    heads: int
    card: int = 2048
    filters: int = 64  # of the codec
    latent: int = 128  # of the codec
    text: dict[str, Any] | None = None  # T5-base, unless said otherwise


SHAPES = {
    "small": Shape(24, 1024, 16),
    "medium": Shape(48, 1536, 24),
    "large": Shape(48, 2048, 32),
    "tiny": Shape(2, 64, 4, card=256, filters=4, latent=32, text=T5_TINY),
}


def dtype_on(device: str) -> torch.dtype:
    """Return what the peers run in: float32 on a CPU, elsewhere float16 as their users do."""
    return torch.float32 if device == "cpu" else torch.float16


def random_musicgen(name: str, device: str = "cpu", seed: int = 0, *, melody: bool = False) -> MusicGen:
    """Return audiocraft's MusicGen of that shape on the device, or the one that takes melodies, with a demucs."""
    torch.manual_seed(seed)
    shape = SHAPES[name]
    with tempfile.TemporaryDirectory() as folder, demucs_below(Path(folder)):
        if melody:
            write_demucs(Path(folder), sizes=demucs_sizes(name))
        cfg: Any = OmegaConf.create(_lm_config(shape, device, "melody" if melody else "text"))
        _write_text_encoder(Path(folder) / TEXT_ENCODER_FOLDER, shape)
        lm = build_lm(cfg, Path(folder)).to(device).eval()
    lm.cfg = cfg
    return MusicGen(f"random-{name}", random_codec(_codec_config(shape)).to(device).eval(), lm)


def write_musicgen(name: str, folder: Path, seed: int = 0, *, melody: bool = False) -> Path:
    """Write the same as a checkpoint in a folder, for programs that load one; demucs's weights lie elsewhere."""
    torch.manual_seed(seed)
    shape = SHAPES[name]
    config, codec = _lm_config(shape, "cpu", "melody" if melody else "text"), _codec_config(shape)
    _write_text_encoder(folder / TEXT_ENCODER_FOLDER, shape)
    lm = build_lm(OmegaConf.create(without_demucs(config)), folder)
    save_package(folder / LM_FILE, lm.state_dict(), config)
    save_package(folder / CODEC_FILE, random_codec(codec).state_dict(), codec)
    return folder


def random_transformers(name: str, seed: int = 0) -> tuple[Any, Any]:
    """Return transformers' MusicGen of the same shape, and its tokenizer."""
    torch.manual_seed(seed)
    shape = SHAPES[name]
    with tempfile.TemporaryDirectory() as folder:
        text = _write_text_encoder(Path(folder), shape)
        tokenizer = AutoTokenizer.from_pretrained(folder)
    codec = EncodecConfig(
        target_bandwidths=[2.2], sampling_rate=32_000, audio_channels=1, normalize=False,
        upsampling_ratios=[8, 5, 4, 4], num_filters=shape.filters, hidden_size=shape.latent, codebook_size=shape.card,
        codebook_dim=shape.latent, use_causal_conv=False, use_conv_shortcut=False, chunk_length_s=None, overlap=None,
    )  # fmt: skip
    decoder = MusicgenDecoderConfig(
        vocab_size=shape.card, hidden_size=shape.dim, num_hidden_layers=shape.layers, ffn_dim=4 * shape.dim,
        num_attention_heads=shape.heads, num_codebooks=CODEBOOKS, audio_channels=1,
        pad_token_id=shape.card, bos_token_id=shape.card,
    )  # fmt: skip
    config = MusicgenConfig(text_encoder=text.to_dict(), audio_encoder=codec.to_dict(), decoder=decoder.to_dict())
    model: Any = MusicgenForConditionalGeneration(config)
    model.eval()
    model.generation_config.update(
        decoder_start_token_id=shape.card, bos_token_id=shape.card, pad_token_id=shape.card, do_sample=True,
        guidance_scale=3.0, top_k=250,
    )  # fmt: skip
    for layer in model.audio_encoder.quantizer.layers:  # zeros otherwise, and then the audio ignores the codes
        layer.codebook.embed.normal_()
    return model, tokenizer


def write_transformers(name: str, folder: Path, seed: int = 0) -> Path:
    """Write the same as transformers' own `save_pretrained` does."""
    transformers.logging.set_verbosity_error()  # of tokens at the vocabulary's end, and bars
    transformers.logging.disable_progress_bar()
    model, tokenizer = random_transformers(name, seed)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def weights_of(name: str, folder: Path) -> Path:
    """Return the folder below that one with the weights in both libraries' formats, which is written once."""
    weights = folder / f"weights-{name}"
    if not weights.exists():
        for write, part in ((write_musicgen, AUDIOCRAFT_FOLDER), (write_transformers, TRANSFORMERS_FOLDER)):
            (weights / part).mkdir(parents=True)
            write(name, weights / part)
    return weights


def melody_weights_of(name: str, folder: Path) -> Path:
    """Return the same of the shape that takes melodies, in audiocraft's format, and a demucs."""
    weights = folder / f"weights-{name}-melody"
    if not weights.exists():
        (weights / AUDIOCRAFT_FOLDER).mkdir(parents=True)
        write_musicgen(name, weights / AUDIOCRAFT_FOLDER, melody=True)
        write_demucs(weights, sizes=demucs_sizes(name))
    return weights


def demucs_sizes(name: str) -> dict[str, Any] | None:
    """Return the published sizes, but for the shape that is for tests."""
    return None if name == "tiny" else HTDEMUCS


def _write_text_encoder(folder: Path, shape: Shape) -> T5Config:
    """Write a vocabulary and a configuration, no weights."""
    write_text_encoder(folder)
    vocabulary = T5Config.from_pretrained(folder).vocab_size
    config = T5Config(vocab_size=vocabulary, **(shape.text or T5_BASE))
    config.save_pretrained(folder)
    return config


def _lm_config(shape: Shape, device: str, kind: str = "text") -> dict[str, Any]:
    config = lm_config(kind)
    sizes = {"dim": shape.dim, "num_layers": shape.layers, "num_heads": shape.heads, "card": shape.card}
    config["transformer_lm"] |= sizes
    config["dtype"] = str(dtype_on(device)).removeprefix("torch.")
    config["device"] = device
    return config


def _codec_config(shape: Shape) -> dict[str, Any]:
    config = codec_config()
    config["seanet"] |= {"n_filters": shape.filters, "dimension": shape.latent}
    config["rvq"]["bins"] = shape.card
    return config
