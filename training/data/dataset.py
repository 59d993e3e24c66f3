"""Makes the data set on disk: one sound file and one line of description per piece, from seeds, resumable.

Layout of the folder: `audio/<seed>.npy` (int16 mono, 32 kHz) and `melody/<seed>.npy` (uint8 [bars, 235]: which pitch
class the melody, as a user would upload it from that bar on, has at each chroma frame of the melody conditioner).
Everything else about a piece follows from its seed, so nothing else is stored.
"""

import argparse
import random
import time
from multiprocessing import Process
from pathlib import Path

import numpy as np
import torch

from training.data.composer import Piece, compose, draw_spec
from training.data.render import Orchestra, PlainOrchestra
from training.data.singer import draw_voice, sing
from training.data.theory import FRAME_SAMPLES, PIECE_FRAMES, SAMPLE_RATE_HZ

# Seeds from here on are never trained on: evaluation composes its melodies from them.
HELD_OUT_SEED = 1_000_000
CHROMA_FRAMES = 235  # what 30 s of melody become in the conditioner
CHROMA_WINDOW_EXP = 14
CROP_SAMPLES = 8 * SAMPLE_RATE_HZ  # from the second bar on a melody is one 8 s crop long, then repeats


def chroma_classes(wave: np.ndarray) -> np.ndarray:
    """What the melody conditioner hears in a wave, repeated or cut to its fixed length. -> uint8 [235]"""
    from audiocraft.modules.chroma import ChromaExtractor

    if not hasattr(chroma_classes, "extractor"):
        chroma_classes.extractor = ChromaExtractor(SAMPLE_RATE_HZ, 12, CHROMA_WINDOW_EXP, argmax=True)
    chroma = chroma_classes.extractor(torch.from_numpy(np.ascontiguousarray(wave))[None])[0]  # [frames, 12]
    return np.resize(chroma.argmax(-1).numpy().astype(np.uint8), CHROMA_FRAMES)


def melody_table(piece: Piece, mix: np.ndarray) -> np.ndarray:
    """The melody condition from each bar on. One piece in five gives the mix itself as its melody."""
    rng = random.Random(f"melody-{piece.spec.seed}")
    wave = mix
    if rng.random() >= 0.2:
        wave = sing(piece.part("lead"), draw_voice(rng), PIECE_FRAMES, piece.spec.seed)
    bars = (PIECE_FRAMES - 404) // piece.spec.bar_frames + 1
    starts = [bar * piece.spec.bar_frames * FRAME_SAMPLES for bar in range(bars)]
    later = [chroma_classes(wave[start : start + CROP_SAMPLES]) for start in starts[1:]]
    return np.stack([chroma_classes(wave), *later])  # [bars, 235]


def make_pieces(folder: Path, seeds: range, plain: bool = False) -> None:
    """Compose, render and describe the pieces of some seeds; those already there are skipped."""
    torch.set_num_threads(1)
    orchestra, begun, made = PlainOrchestra() if plain else Orchestra(), time.monotonic(), 0
    for count, seed in enumerate(seeds, start=1):
        target = folder / "melody" / f"{seed}.npy"
        if target.exists():
            continue
        piece = compose(draw_spec(seed))
        mix = orchestra.play(piece)
        np.save(folder / "audio" / f"{seed}.npy", (mix * 32767).clip(-32767, 32767).astype(np.int16))
        np.save(target, melody_table(piece, mix))
        made += 1
        if made % 25 == 0:
            eta_s = (time.monotonic() - begun) / made * (len(seeds) - count)
            print(f"data: {count}/{len(seeds)} pieces, {eta_s:.0f} s left", flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pieces", type=int, default=1600)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--plain", action="store_true", help="sine tones instead of FluidSynth, for a smoke run")
    args = parser.parse_args(argv)
    for name in ("audio", "melody"):
        (args.folder / name).mkdir(parents=True, exist_ok=True)
    if args.processes == 1:
        make_pieces(args.folder, range(args.pieces), args.plain)
        return
    shares = [range(k, args.pieces, args.processes) for k in range(args.processes)]
    workers = [Process(target=make_pieces, args=(args.folder, share, args.plain)) for share in shares]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("data: a worker failed; run again to go on from where it stopped")


if __name__ == "__main__":
    main()
