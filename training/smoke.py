"""Run the complete recipe in one process and well under a minute: a few steps of everything, a checkpoint that loads.

It tries the plumbing, not the music: made-up instruments stand in for FluidSynth, so that it runs where that is not
installed.
"""

import argparse
from pathlib import Path

from training.codec import build, encode
from training.lm import export, train, vocabulary

LM_SHAPE = ("--batch", "6", "--dim", "96", "--layers", "2", "--heads", "4", "--threads", "1")


def run(work: Path, checkpoint: Path) -> None:
    """Run every stage once, in the order of run.sh."""
    work.mkdir(parents=True, exist_ok=True)
    codec, lm = str(work / "codec.pt"), str(work / "lm.pt")
    build.main([codec, "--plain"])
    vocabulary.write_text_encoder(work / "text_encoder", width=32, layers=1, captions=500, size=300)
    train.main([str(work), lm, *LM_SHAPE, "--steps", "4"])
    encode.main([codec, "--plain", "--steps", "1", "--batch", "2", "--pieces", "2", "--threads", "1"])
    export.main([codec, lm, str(work), str(checkpoint)])


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("checkpoint", type=Path)
    args = parser.parse_args(argv)
    run(args.work, args.checkpoint)


if __name__ == "__main__":
    main()
