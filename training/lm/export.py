"""Writes a checkpoint folder in audiocraft's exported format from the two training states."""

import argparse
import shutil
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from training.codec.config import codec_config
from training.codec.train import load_trained
from training.lm.config import TEXT_ENCODER, lm_config

VERSION = "1.3.0"  # of audiocraft, whose format this is


def package(weights: dict[str, torch.Tensor], cfg: DictConfig, half: bool) -> dict[str, Any]:
    """One exported file. Loading casts half precision back to the model's own."""

    def stored(weight: torch.Tensor) -> torch.Tensor:
        return (weight.half() if half and weight.is_floating_point() else weight).contiguous().clone()

    return {
        "best_state": {name: stored(weight) for name, weight in weights.items()},
        "xp.cfg": OmegaConf.to_yaml(cfg),
        "version": VERSION,
        "exported": True,
    }


def codec_package(encoder: Path, decoder: Path) -> dict[str, Any]:
    """The codec: encoder from one training state, decoder and quantizer from the other."""
    codec = load_trained(decoder)
    if encoder.exists():
        codec.encoder.load_state_dict(load_trained(encoder).encoder.state_dict())
    weights = codec.state_dict()
    filters = weights["encoder.model.0.conv.conv.weight_v"].shape[0]
    return package(weights, codec_config(codec.cardinality, filters), half=False)


def lm_package(path: Path) -> dict[str, Any]:
    """The language model with its conditioners' weights, the text encoder's among them."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    cfg = lm_config(state["card"], state["dim"], state["layers"], state["heads"])
    return package(state["lm"], cfg, half=True)


def export(encoder: Path, decoder: Path, lm: Path, text_encoder: Path, folder: Path) -> None:
    """Training states and the folder of text_encoder/ -> a folder that load_musicgen reads."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(codec_package(encoder, decoder), folder / "compression_state_dict.bin")
    torch.save(lm_package(lm), folder / "state_dict.bin")
    if text_encoder.resolve() != folder.resolve():
        shutil.copytree(text_encoder / TEXT_ENCODER, folder / TEXT_ENCODER, dirs_exist_ok=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("encoder", "decoder", "lm", "text_encoder", "folder"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args(argv)
    export(args.encoder, args.decoder, args.lm, args.text_encoder, args.folder)
    size = sum(path.stat().st_size for path in args.folder.rglob("*") if path.is_file()) / 2**20
    print(f"{args.folder}: {size:.1f} MiB")


if __name__ == "__main__":
    main()
