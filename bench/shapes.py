"""Models of the published shapes with random weights, in memory: true to the cost of a step, not to any music.

Figures from facebook/musicgen-*: layers, width and heads of Copet et al. 2023 (table of model sizes); T5-base as text
encoder; EnCodec at 32 kHz with 64 filters.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from audiocraft.models import MusicGen
from omegaconf import OmegaConf
from transformers import T5Config

from tools.random_checkpoint import codec_config, lm_config, random_codec, write_text_encoder
from worker.engine.loading import build_lm

DECODERS = {
    "small": {"dim": 1024, "num_layers": 24, "num_heads": 16},
    "medium": {"dim": 1536, "num_layers": 48, "num_heads": 24},
    "large": {"dim": 2048, "num_layers": 48, "num_heads": 32},
}
CARD = 2048
T5_BASE: dict[str, Any] = {"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_heads": 12, "num_layers": 12}


def random_musicgen(shape: str, device: str = "cpu", seed: int = 0) -> MusicGen:
    """A MusicGen of that published shape on the device: float32 on the CPU, float16 elsewhere."""
    torch.manual_seed(seed)
    config = lm_config("text")
    config["transformer_lm"] |= {**DECODERS[shape], "card": CARD}
    config["dtype"] = "float32" if device == "cpu" else "float16"
    config["device"] = device
    with tempfile.TemporaryDirectory() as folder:
        encoder = Path(folder) / "text_encoder"
        write_text_encoder(encoder)
        vocabulary = T5Config.from_pretrained(encoder).vocab_size
        T5Config(vocab_size=vocabulary, **T5_BASE).save_pretrained(encoder)
        cfg: Any = OmegaConf.create(config)
        lm = build_lm(cfg, Path(folder)).to(device).eval()
    lm.cfg = cfg
    return MusicGen(f"random-{shape}", _codec(device), lm)


def _codec(device: str) -> Any:
    config = codec_config()
    config["seanet"] |= {"n_filters": 64, "dimension": 128}
    config["rvq"]["bins"] = CARD
    return random_codec(config).to(device).eval()
