"""`python -m training.evaluate <checkpoint>`: does a checkpoint do what it is asked? A table, then one JSON line."""

import argparse
import json
import warnings

import numpy as np
import torch
from audiocraft.models import MusicGen

from training.measure.asked import Asked, held_out_captions, held_out_melodies
from training.measure.generate import generate_all, seconds_per_second
from training.measure.score import Heard, chance, hear, interval, rate
from training.measure.tonality import melody_agreement
from worker.engine.loading import load_musicgen

WINDOW = 8 * 32000
LABELS = {"tempo": "tempo", "key": "key (scale)", "drums": "percussion", "register": "register"}

Pairs = list[tuple[Heard, Asked]]


def text_windows(model: MusicGen, captions: int, long_pieces: int) -> dict[str, Pairs]:
    """What is heard in pieces of 8 s, and in the last 8 s of pieces of 30 s."""
    asked = held_out_captions(captions)
    waves = generate_all(model, asked, 8.0, "8 s")
    windows = {"text alone, 8 s": [(hear(wave), item) for wave, item in zip(waves, asked, strict=True)]}
    if long_pieces:
        waves = generate_all(model, asked[:long_pieces], 30.0, "30 s")
        last = [(hear(wave[-WINDOW:]), item) for wave, item in zip(waves, asked, strict=False)]
        windows["text alone, last 8 s of 30 s"] = last
    return windows


def melody_scores(model: MusicGen, melodies: int) -> tuple[list[float], list[float], Pairs]:
    """Agreement of each piece with its own melody, with three others, and what else is heard."""
    asked = held_out_melodies(melodies)
    waves = generate_all(model, asked, 8.0, "melody")
    own, other = [], []
    for index, wave in enumerate(waves):
        own.append(melody_agreement(wave, asked[index].melody))
        others = {(index + shift) % len(asked) for shift in (1, 2, 5)} - {index}
        other += [melody_agreement(wave, asked[k].melody) for k in sorted(others)]
    return own, other, [(hear(wave), item) for wave, item in zip(waves, asked, strict=True)]


def print_rates(title: str, pairs: Pairs, names: tuple[str, ...]) -> None:
    """One line per property: share of hits, its confidence interval, chance."""
    print(f"\n{title} ({len(pairs)} pieces)")
    print(f"  {'':14}{'hit':>7}  {'95 % interval':>15}{'chance':>9}")
    for name in names:
        low, high = interval(name, pairs)
        print(f"  {LABELS[name]:14}{rate(name, pairs):7.2f}  {low:7.2f} - {high:5.2f}{chance(name, pairs):9.2f}")


def mean(values: list[float]) -> float:
    """NaN where there is nothing to average: a model without melody conditioning."""
    return float(np.mean(values)) if values else float("nan")


def mean_interval(values: list[float]) -> str:
    """Mean and its bootstrap interval, as text."""
    draws = np.random.default_rng(0).choice(values, size=(1000, len(values))).mean(axis=1)
    return f"{np.mean(values):.2f} ({np.percentile(draws, 2.5):.2f} - {np.percentile(draws, 97.5):.2f})"


def evaluate(checkpoint: str, captions: int, melodies: int, long_pieces: int) -> dict[str, float]:
    """Generate, measure, print the table. -> the figures of the JSON line"""
    torch.set_num_threads(2)
    model = load_musicgen(checkpoint, "cpu")
    speed = seconds_per_second(model, held_out_captions(1)[0])
    windows = text_windows(model, captions, long_pieces)
    follows = "self_wav" in model.lm.condition_provider.conditioners
    own, other, with_melody = melody_scores(model, melodies) if follows else ([], [], [])
    for title, pairs in windows.items():
        print_rates(title, pairs, ("tempo", "key", "drums", "register"))
    if follows:
        print_rates("with a melody, 8 s", with_melody, ("tempo", "drums"))
        print(f"\n  agreement with the melody {mean_interval(own)}, with another melody {mean_interval(other)}")
    pooled = [pair for pairs in windows.values() for pair in pairs]
    figures: dict[str, float] = {}
    for key, name in (("tempo", "tempo"), ("key", "key"), ("percussion", "drums")):
        figures |= {f"{key}_hit": rate(name, pooled), f"{key}_chance": chance(name, pooled)}
    heard = [item for item, _ in pooled + with_melody]
    figures |= {"melody_agreement": mean(own), "melody_mismatch": mean(other)}
    figures |= {
        name: float(np.mean([getattr(item, name) for item in heard])) for name in ("silent", "clipped", "noise")
    }
    return figures | {"seconds_per_second": speed}


def main(argv: list[str] | None = None) -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", help="a folder, or a name on the model hub")
    parser.add_argument("--captions", type=int, default=60)
    parser.add_argument("--melodies", type=int, default=30)
    parser.add_argument("--long-pieces", type=int, default=60, help="how many of the captions also at 30 s")
    args = parser.parse_args(argv)
    figures = evaluate(args.checkpoint, args.captions, args.melodies, min(args.captions, args.long_pieces))
    print()
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
