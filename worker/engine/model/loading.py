"""Load a checkpoint in audiocraft's format as a `MusicGen`, with the conditioners that it asks for.

audiocraft's builder makes the transformer and the codec unchanged, so every published checkpoint loads. The
conditioners are made here from the checkpoint's own configuration, because two of its needs are per checkpoint:

* `conditioners.*.t5.name` may be a folder inside the checkpoint (config and tokenizer; the encoder's weights are in
  the state dict). audiocraft takes only its list of hub names.
* `conditioners.*.chroma_stem.separate: false` means that the melody goes to the chroma extractor as it is. Absent or
  true is audiocraft's way: demucs first removes drums and bass.

So a checkpoint with and one without source separation live side by side in one process, and nothing is patched.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import torch

from shared.errors import ConfigurationError
from worker.engine.core.arithmetic import set_arithmetic
from worker.engine.imports.audiocraft import (
    BaseConditioner,
    ChromaExtractor,
    ChromaStemConditioner,
    CompressionModel,
    ConditioningProvider,
    LMModel,
    MusicGen,
    T5Conditioner,
    TextConditioner,
    TorchAutocast,
    WaveformConditioner,
    builders,
    delete_param,
)
from worker.engine.imports.omegaconf import DictConfig, OmegaConf, read_config
from worker.engine.model.autocast import share_autocast
from worker.engine.model.chroma_cache import ChromaCache
from worker.engine.model.hub import CODEC_FILE, LM_FILE, hub_or_cache
from worker.engine.model.seeds import install_seeded_random


class LocalT5Conditioner(T5Conditioner):
    """Encode text with a T5 whose configuration and vocabulary are in a folder, its weights in the state dict."""

    def __init__(
        self,
        folder: Path,
        output_dim: int,
        device: str,
        word_dropout: float = 0.0,
        finetune: bool = True,
        autocast_dtype: str | None = "float32",
    ) -> None:
        from transformers import T5Config, T5EncoderModel, T5Tokenizer  # seconds, for those who load a T5

        config = T5Config.from_pretrained(folder)
        TextConditioner.__init__(self, config.d_model, output_dim)
        self.device = device
        self.name = folder.name
        self.finetune = finetune
        self.word_dropout = word_dropout
        self.normalize_text = False
        # As audiocraft: off the CPU, T5 leaves the half precision around it, where it would overflow.
        self.autocast = TorchAutocast(enabled=False)
        if device != "cpu" and autocast_dtype is not None:
            self.autocast = TorchAutocast(True, device_type=device, dtype=getattr(torch, autocast_dtype))
        self.t5_tokenizer = T5Tokenizer.from_pretrained(folder)
        self.t5 = T5EncoderModel(config)


class PlainChromaConditioner(ChromaStemConditioner):
    """Extract the chroma of the melody as uploaded: no demucs, so nothing to download and a tenth of the time."""

    def __init__(
        self,
        output_dim: int,
        sample_rate: int,
        n_chroma: int,
        radix2_exp: int,
        duration: float,
        match_len_on_eval: bool = True,
        device: str = "cpu",
        **extractor: Any,
    ) -> None:
        WaveformConditioner.__init__(self, dim=n_chroma, output_dim=output_dim, device=device)
        self.autocast = TorchAutocast(enabled=device != "cpu", device_type=device, dtype=torch.float32)
        for training_only in ("eval_wavs", "n_eval_wavs", "cache_path"):
            extractor.pop(training_only, None)
        self.sample_rate = sample_rate
        self.match_len_on_eval = match_len_on_eval
        self._use_masking = not match_len_on_eval
        self.duration = duration
        self.chroma = ChromaExtractor(
            sample_rate=sample_rate, n_chroma=n_chroma, radix2_exp=radix2_exp, **extractor
        ).to(device)
        self.chroma_len = self._get_chroma_len()
        self.eval_wavs = None
        self.cache = None

    def _get_stemmed_wav(self, wav: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """Return the wave itself, mono. [batch, channels, samples] -> [batch, 1, samples]"""
        if sample_rate != self.sample_rate:
            raise ValueError(f"the melody must be at {self.sample_rate} Hz, not {sample_rate} Hz")
        return wav.mean(dim=1, keepdim=True)


def build_conditioners(cfg: DictConfig, output_dim: int, folder: Path | None) -> ConditioningProvider:
    """Build the conditioners that `cfg.conditioners` names; `folder` is where relative text encoders are found."""
    device = str(cfg.device)
    described: Any = OmegaConf.to_container(cfg.conditioners, resolve=True) or {}
    provider_args = described.pop("args", None) or {}
    conditioners: dict[str, BaseConditioner] = {}
    for name, conditioner in described.items():
        kind = conditioner["model"]
        args = dict(conditioner.get(kind) or {})
        encoder = _text_encoder_folder(folder, args["name"]) if kind == "t5" else None
        if encoder is not None:
            del args["name"]
            if args.pop("normalize_text", False):
                raise ConfigurationError(f"{encoder}: normalize_text is not supported with a local text encoder")
            conditioners[name] = LocalT5Conditioner(encoder, output_dim, device, **args)
        elif kind == "chroma_stem" and not args.pop("separate", True):
            conditioners[name] = PlainChromaConditioner(
                output_dim, duration=cfg.dataset.segment_duration, device=device, **args
            )
        else:
            conditioners.update(_published_conditioner(cfg, name, kind, args, output_dim))
    for made in conditioners.values():
        share_autocast(made)
    return ConditioningProvider(conditioners, device=device, **provider_args)


def _text_encoder_folder(folder: Path | None, name: str) -> Path | None:
    """Find the folder of that name inside the checkpoint, if any. Raises ConfigurationError for one outside it."""
    if folder is None or not (folder / name).is_dir():
        return None
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise ConfigurationError(f"{folder}: the text encoder {name!r} lies outside the checkpoint")
    return folder / name


def _published_conditioner(
    cfg: DictConfig, name: str, kind: str, args: dict[str, Any], output_dim: int
) -> dict[str, BaseConditioner]:
    """Build one conditioner exactly as audiocraft's own builder does; only demucs runs once for a melody, seeded."""
    if kind == "chroma_stem":
        install_seeded_random()
    single = OmegaConf.create(
        {
            "device": cfg.device,
            "dataset": {"segment_duration": cfg.dataset.segment_duration},
            "conditioners": {name: {"model": kind, kind: args}},
        }
    )
    with hub_or_cache(str(args.get("name", name))):
        built: Any = builders.get_conditioner_provider(output_dim, single).conditioners
    if kind == "chroma_stem":
        built[name]._compute_wav_embedding = ChromaCache(built[name]._compute_wav_embedding)
    return dict(built.items())


def checkpoint_file(
    checkpoint: str | Path, filename: str, cache_dir: str | None = None, revision: str | None = None
) -> Path:
    """Find that file of a checkpoint: in its folder, or in the hub's cache (downloaded when absent)."""
    if os.path.isdir(checkpoint):
        return Path(checkpoint) / filename
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(str(checkpoint), filename=filename, cache_dir=cache_dir, revision=revision))


def build_lm(cfg: DictConfig, folder: Path | None) -> LMModel:
    """Build the language model that a checkpoint's configuration describes, its weights not yet loaded."""
    bare = copy.deepcopy(cfg)
    OmegaConf.set_struct(bare, False)
    bare.conditioners = None
    lm = builders.get_lm_model(bare)
    lm.condition_provider = build_conditioners(cfg, cfg.transformer_lm.dim, folder).to(cfg.device)
    return lm


def _package(path: Path, device: str) -> dict[str, Any]:
    """Read a checkpoint's file: plain tensors and strings only, for a checkpoint is untrusted input.

    The tensors stay in the file until they are copied, so that they are not in memory twice; files of before torch 1.6
    are read whole.
    """
    try:
        package = torch.load(path, map_location=device, weights_only=True, mmap=True)
    except RuntimeError:
        package = torch.load(path, map_location=device, weights_only=True)
    return dict(package)


def load_lm(
    checkpoint: str | Path, device: str, dtype: torch.dtype, cache_dir: str | None = None, revision: str | None = None
) -> LMModel:
    """Load the language model with its conditioners, in evaluation mode. Its weights come to `dtype` as they are."""
    path = checkpoint_file(checkpoint, LM_FILE, cache_dir, revision)
    package = _package(path, "cpu")
    cfg: Any = read_config(package["xp.cfg"])
    cfg.device = device
    cfg.dtype = str(dtype).removeprefix("torch.")
    delete_param(cfg, "conditioners.self_wav.chroma_stem.cache_path")
    delete_param(cfg, "conditioners.args.merge_text_conditions_p")
    delete_param(cfg, "conditioners.args.drop_desc_p")
    lm = build_lm(cfg, Path(checkpoint) if os.path.isdir(checkpoint) else None)
    lm.load_state_dict(package["best_state"])
    lm.cfg = cfg
    return lm.eval()


def load_codec(
    checkpoint: str | Path, device: str, cache_dir: str | None = None, revision: str | None = None
) -> CompressionModel:
    """Load the EnCodec that decodes codes to audio: its own, or the published one that it names."""
    return _codec_of(checkpoint_file(checkpoint, CODEC_FILE, cache_dir, revision), device)


def _codec_of(path: Path, device: str) -> CompressionModel:
    """Load a codec's file as audiocraft's `load_compression_model` does."""
    package = _package(path, device)
    if "pretrained" in package:
        return CompressionModel.get_pretrained(package["pretrained"], device=device)
    cfg = read_config(package["xp.cfg"])
    cfg.device = device
    codec: CompressionModel = builders.get_compression_model(cfg)
    codec.load_state_dict(package["best_state"])
    return codec.eval()


class MusicGenWithCodecOnCpu(MusicGen):
    """Run the codec on the CPU, for mps, where its audio is garbled (facebookresearch/audiocraft#31, #43)."""

    def generate_audio(self, gen_tokens: torch.Tensor) -> torch.Tensor:
        return super().generate_audio(gen_tokens.cpu())


def load_musicgen(
    checkpoint: str | Path,
    device: str = "cpu",
    cache_dir: str | None = None,
    revision: str | None = None,
    dtype: torch.dtype | None = None,
) -> MusicGen:
    """Load a MusicGen from a hub id or a folder, as `MusicGen.get_pretrained` does, conditioners as above.

    Without a `dtype` it is audiocraft's: float32 on the CPU, float16 elsewhere. Raises FileNotFoundError when a folder
    lacks a file, pickle.UnpicklingError when a file holds more than tensors and strings; hub errors pass through.
    """
    set_arithmetic()
    on_mps = device.startswith("mps")
    dtype = dtype or (torch.float32 if device == "cpu" else torch.float16)
    lm = load_lm(checkpoint, device, dtype, cache_dir, revision)
    codec = load_codec(checkpoint, "cpu" if on_mps else device, cache_dir, revision)
    if "self_wav" in lm.condition_provider.conditioners:
        melody: Any = lm.condition_provider.conditioners["self_wav"]
        melody.match_len_on_eval = True
        melody._use_masking = False
    kind = MusicGenWithCodecOnCpu if on_mps else MusicGen
    model = kind(str(checkpoint), codec, lm)
    if device != "cpu":
        model.autocast = _autocast(device, dtype)
    return model


def _autocast(device: str, dtype: torch.dtype) -> TorchAutocast:
    """Return the half precision that conditions are computed in, as audiocraft's float16; none beside float32."""
    half = dtype is not torch.float32
    return TorchAutocast(True, device_type=torch.device(device).type, dtype=dtype) if half else TorchAutocast(False)
