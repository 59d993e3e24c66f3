"""The whole recipe in one process and well under a minute: a few pieces, a few steps, a checkpoint that loads.

It tries the plumbing, not the music: sine tones stand in for FluidSynth, so that it runs where that is not installed.
"""

import argparse
from pathlib import Path

from training.codec import fit
from training.codec import train as codec_train
from training.data import dataset
from training.lm import export, vocabulary
from training.lm import train as lm_train

LM_SHAPE = ("--batch", "1", "--dim", "48", "--layers", "2", "--heads", "3")


def run(work: Path, checkpoint: Path) -> None:
    """Every stage once, in the order of run.sh."""
    work.mkdir(parents=True, exist_ok=True)
    names = ("data", "space.pt", "encoder.pt", "decoder.pt", "lm.pt")
    data, space, encoder, decoder, lm = (str(work / name) for name in names)
    dataset.main([data, "--pieces", "3", "--processes", "1", "--plain"])
    fit.main([data, space, "--bins", "32", "--filters", "4", "--rounds", "2", "--rows", "2000"])
    vocabulary.write_text_encoder(checkpoint / "text_encoder", width=32, layers=1, captions=500, size=300)
    lm_train.main([space, data, str(checkpoint), lm, *LM_SHAPE, "--steps", "4"])
    for half, out in (("decoder", decoder), ("encoder", encoder)):
        codec_train.main([half, space, data, out, "--steps", "2", "--batch", "2"])
    export.main([encoder, decoder, lm, str(checkpoint), str(checkpoint)])


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("checkpoint", type=Path)
    args = parser.parse_args(argv)
    run(args.work, args.checkpoint)


if __name__ == "__main__":
    main()
