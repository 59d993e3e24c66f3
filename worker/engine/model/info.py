"""Describe an engine by its loaded model, as `EngineInfo`: versions, precision, device, rates, tokenizer."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from worker.engine.core.types import EngineInfo, Precision
from worker.engine.imports.audiocraft import AUDIOCRAFT_VERSION, MusicGen
from worker.engine.model.hub import CODEC_FILE, LM_FILE
from worker.engine.model.loading import checkpoint_file


def digest_of(files: list[Path]) -> str:
    """Return the sha256 over the files' bytes, in that order."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def device_name(device: str) -> str:
    """Return cpu, mps, or the GPU's own name: kernels, and so a sum's last bits, differ from one to the next."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else device


def files_of(checkpoint: str | Path, cache_dir: str | None, revision: str | None) -> list[Path]:
    """List all files that a checkpoint's music depends on: both weight files, and its own text encoder's if any."""
    files = [checkpoint_file(checkpoint, name, cache_dir, revision) for name in (LM_FILE, CODEC_FILE)]
    if Path(checkpoint).is_dir():
        files += sorted(path for path in Path(checkpoint).glob("*/*.json") if path.is_file())
    return files


def describe(model: MusicGen, checkpoint_digest: str, device: str) -> EngineInfo:
    """Describe audiocraft's engine on a loaded model."""
    conditioners = model.lm.condition_provider.conditioners
    text = getattr(conditioners["description"], "t5_tokenizer", None) if "description" in conditioners else None
    precision: Precision = "fp32" if device == "cpu" else "fp16"
    return EngineInfo(
        engine="audiocraft",
        version=f"{AUDIOCRAFT_VERSION}, torch {torch.__version__}",
        checkpoint_digest=checkpoint_digest,
        precision=precision,
        kv_precision=precision,
        device=device_name(device),
        sample_rate_hz=int(model.sample_rate),
        channels=int(model.audio_channels),
        frame_rate_hz=float(model.frame_rate),
        max_duration_s=float(model.max_duration),
        melody="self_wav" in conditioners,
        tokenizer_json=None if text is None else plain_tokenizer_json(text),
    )


def plain_tokenizer_json(text_tokenizer: Any) -> str:
    """Return the text encoder's tokenizer without padding or truncation: it counts exactly what the model reads."""
    tokenizer = Tokenizer.from_str(text_tokenizer.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return str(tokenizer.to_str())
