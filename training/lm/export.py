"""Write a checkpoint folder in audiocraft's exported format from the training states of codec and language model.

The files are written aside and then moved into place together, so that whoever loads the folder finds one or the other
checkpoint and never a mixture for longer than a rename takes.
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch

from training.codec.build import load_codec_state
from training.codec.config import codec_config
from training.lm.config import TEXT_ENCODER, lm_config
from worker.engine.imports.omegaconf import DictConfig, OmegaConf

VERSION = "1.3.0"  # of audiocraft, whose format this is
CODEC_FILE, LM_FILE = "compression_state_dict.bin", "state_dict.bin"


def package(weights: dict[str, torch.Tensor], cfg: DictConfig, halved: tuple[str, ...]) -> dict[str, Any]:
    """Build one exported file; weights whose names begin so are stored in half precision. Loading casts them back."""

    def stored(name: str, weight: torch.Tensor) -> torch.Tensor:
        small = weight.is_floating_point() and name.startswith(halved)
        return (weight.half() if small else weight).contiguous().clone()

    return {
        "best_state": {name: stored(name, weight) for name, weight in weights.items()},
        "xp.cfg": OmegaConf.to_yaml(cfg),
        "version": VERSION,
        "exported": True,
    }


def codec_package(path: Path) -> dict[str, Any]:
    """Build the codec's file.

    Only the encoder bears rounding: the decoder's oscillators must keep their pitch for 30 s.
    """
    return package(load_codec_state(path).state_dict(), codec_config(), halved=("encoder.",))


def lm_package(path: Path) -> dict[str, Any]:
    """Build the language model's file, with its conditioners' weights, the text encoder's among them."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    return package(state["lm"], lm_config(state["dim"], state["layers"], state["heads"]), halved=("",))


def export(codec: Path, lm: Path, text_encoder: Path, folder: Path) -> None:
    """Export training states and the folder of text_encoder/ to a folder that load_musicgen reads."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", suffix=".part", dir=folder.parent))
    torch.save(codec_package(codec), staging / CODEC_FILE)
    torch.save(lm_package(lm), staging / LM_FILE)
    shutil.copytree(text_encoder / TEXT_ENCODER, staging / TEXT_ENCODER)
    (folder / TEXT_ENCODER).mkdir(parents=True, exist_ok=True)
    for path in sorted(path for path in staging.rglob("*") if path.is_file()):
        os.replace(path, folder / path.relative_to(staging))
    shutil.rmtree(staging)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("codec", "lm", "text_encoder", "folder"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args(argv)
    export(args.codec, args.lm, args.text_encoder, args.folder)
    size = sum(path.stat().st_size for path in args.folder.rglob("*") if path.is_file()) / 2**20
    print(f"{args.folder}: {size:.1f} MiB")


if __name__ == "__main__":
    main()
