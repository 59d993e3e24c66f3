"""Finds the constants of the measures on real (rendered) pieces, and says how well the measures do there.

Prints what belongs into rhythm.py and tonality.py. What it reports is the ceiling: no model can score better than the
true music does under the same measures.
"""

import argparse
from pathlib import Path

import numpy as np

from training.data.composer import Spec, draw_spec
from training.data.theory import bpm_of, pitch_class
from training.measure.rhythm import estimate_bpm, has_percussion, percussion_features, tempo_matches
from training.measure.tonality import bands_chroma, estimate_key, scale_matches

WINDOW = 8 * 32000


def load(data: Path, count: int) -> list[tuple[Spec, np.ndarray]]:
    """The first 8 s of the last pieces (or what is there)."""
    seeds = sorted(int(path.stem) for path in (data / "audio").glob("*.npy"))[-count:]
    stored = (np.load(data / "audio" / f"{seed}.npy", mmap_mode="r")[:WINDOW] for seed in seeds)
    return [(draw_spec(seed), wave.astype(np.float32) / 32768.0) for seed, wave in zip(seeds, stored, strict=True)]


def key_profiles(pieces: list[tuple[Spec, np.ndarray]]) -> dict[str, tuple[float, ...]]:
    """Mean chroma of each mode, moved to C."""
    found: dict[str, list[np.ndarray]] = {"major": [], "minor": []}
    for spec, wave in pieces:
        moved = np.roll(bands_chroma(wave).reshape(2, 12), -pitch_class(spec.root), axis=1)
        found[spec.mode].append(moved.ravel())
    return {mode: tuple(np.round(np.mean(rows, axis=0), 3).tolist()) for mode, rows in found.items()}


def percussion_rule(pieces: list[tuple[Spec, np.ndarray]]) -> tuple[tuple[float, ...], float]:
    """Linear discriminant of the two features: weights and threshold."""
    features = np.array([percussion_features(wave) for _, wave in pieces])
    drums = np.array([spec.drums for spec, _ in pieces])
    with_drums, without = features[drums], features[~drums]
    spread = np.cov(with_drums.T) + np.cov(without.T)
    weights = np.linalg.solve(spread, with_drums.mean(axis=0) - without.mean(axis=0))
    threshold = weights @ (with_drums.mean(axis=0) + without.mean(axis=0)) / 2
    return tuple(np.round(weights, 4).tolist()), round(float(threshold), 3)


def ceiling(pieces: list[tuple[Spec, np.ndarray]]) -> dict[str, float]:
    """How often the measures are right on true music."""
    tempo = [tempo_matches(estimate_bpm(wave), bpm_of(spec.beat_frames)) for spec, wave in pieces]
    key = [scale_matches(estimate_key(wave), spec.root, spec.mode) for spec, wave in pieces]
    percussion = [has_percussion(wave) == spec.drums for spec, wave in pieces]
    return {"tempo": float(np.mean(tempo)), "key": float(np.mean(key)), "percussion": float(np.mean(percussion))}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pieces", type=int, default=200)
    args = parser.parse_args(argv)
    pieces = load(args.data, args.pieces)
    half = len(pieces) // 2
    print("PROFILES =", key_profiles(pieces[:half]))
    print("PERCUSSION_WEIGHTS, PERCUSSION_THRESHOLD =", percussion_rule(pieces[:half]))
    print("with the constants in the code, on the other half:", ceiling(pieces[half:]))


if __name__ == "__main__":
    main()
