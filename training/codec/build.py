"""Make the codec: measure the instruments, write codebooks and decoder. Its encoder is still to be trained."""

import argparse
import time
from pathlib import Path
from typing import Any

import torch

from training.codec.config import build_codec
from training.codec.space import make_codebooks
from training.codec.synthesizer import write_decoder
from training.data.render import FluidSynthPlayer, PlainPlayer, Player
from worker.engine.imports.audiocraft import EncodecModel, SEANetDecoder


def codebooks(codec: EncodecModel) -> list[Any]:
    """Return the quantizer's codebooks, in order."""
    quantizer: Any = codec.quantizer
    return [layer._codebook for layer in quantizer.vq.layers]


@torch.no_grad()
def make_codec(player: Player, seed: int = 1) -> EncodecModel:
    """Make a codec whose decoder plays codes as that player plays notes."""
    torch.manual_seed(seed)
    codec = build_codec()
    vectors, drum_frames = make_codebooks(player, seed)
    for book, rows in zip(codebooks(codec), vectors, strict=True):
        book.embed.copy_(rows)
        book.embed_avg.copy_(rows)
        book.cluster_size.fill_(1)
        book.inited.fill_(1)
    assert isinstance(codec.decoder, SEANetDecoder)
    write_decoder(codec.decoder, drum_frames)
    return codec.eval()


def load_codec_state(path: Path) -> EncodecModel:
    """Load the codec of a training state."""
    codec = build_codec()
    codec.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["codec"])
    return codec.eval()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="made-up instruments instead of FluidSynth's")
    args = parser.parse_args(argv)
    if args.out.exists():
        return
    begun = time.monotonic()
    codec = make_codec(PlainPlayer() if args.plain else FluidSynthPlayer(), args.seed)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"codec": codec.state_dict()}, args.out)
    print(f"codec: measured and written in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
