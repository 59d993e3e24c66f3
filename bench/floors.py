"""Compare a precision's hit rates with float32's own on models/tiny: `python -m bench.floors`.

Distances between logits say little about music, and guidance amplifies them. So the same held-out prompts and melodies,
with the same seeds, go through the engine in each precision, and training's own measures are applied. A table with
the paired difference to float32 and its 95 % interval, then one JSON line. Ends with 1 when a floor is broken.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.settings import ROOT
from training.measure.asked import EvaluationRequest, held_out_captions, held_out_melodies
from training.measure.score import extract_features, hit
from training.measure.tonality import melody_agreement
from worker.engine.core.types import EngineRequest, Precision
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.model.info import describe
from worker.engine.model.loading import load_musicgen

FLOOR = 0.05  # a precision may score this much less than float32
NAMES = ("tempo", "key", "drums", "register")
SEED = 20_261_121

Scores = dict[str, list[float]]  # one number per thing asked, in the same order for every precision


@dataclass(frozen=True)
class Drop:
    """Hold how much less one score is than float32's, and the 95 % interval of that. Positive is worse."""

    full: float
    less: float
    low: float
    high: float

    @classmethod
    def of(cls, full: Sequence[float], other: Sequence[float]) -> Drop:
        lost = np.subtract(full, other)
        means = np.random.default_rng(0).choice(lost, size=(2000, len(lost))).mean(axis=1)
        low, high = np.percentile(means, [2.5, 97.5])
        return cls(float(np.mean(full)), float(lost.mean()), float(low), float(high))


def score(
    engine: ContinuousBatchingEngine,
    captions: list[EvaluationRequest],
    melodies: list[EvaluationRequest],
    duration_s: float,
) -> Scores:
    """Score the clips.

    `prompt`: every property that a caption names, hit or not; each by itself; `melody`: agreement with it.
    """
    waves = generate_all(engine, captions, duration_s)
    found: Scores = {"prompt": [], **{name: [] for name in NAMES}, "melody": []}
    for wave, asked in zip(waves, captions, strict=True):
        audible = extract_features(wave)
        for name in NAMES:
            if (value := hit(name, audible, asked)) is not None:
                found[name].append(value)
                found["prompt"].append(value)
    for wave, asked in zip(generate_all(engine, melodies, duration_s), melodies, strict=True):
        assert asked.melody is not None
        found["melody"].append(melody_agreement(wave, asked.melody))
    return {name: values for name, values in found.items() if values}


def generate_all(
    engine: ContinuousBatchingEngine, asked: list[EvaluationRequest], duration_s: float
) -> list[np.ndarray]:
    requests = [
        EngineRequest(item.caption.text, duration_s, melody=item.melody, seed=SEED + number)
        for number, item in enumerate(asked)
    ]
    return [handle.result().waveform[0] for handle in [engine.submit(request) for request in requests]]


def measure(
    checkpoint: str,
    precisions: list[Precision],
    captions: int,
    melodies: int,
    duration_s: float,
    slots: int | None = None,
) -> dict[str, Scores]:
    """Measure every precision's scores, so many songs at once: int8 has a class of few rows and one of many."""
    model = load_musicgen(checkpoint)
    asked = held_out_captions(captions), held_out_melodies(melodies)
    found: dict[str, Scores] = {}
    for precision in precisions:
        engine = ContinuousBatchingEngine(model, describe(model, "floors", "cpu"), precision, slots)
        engine.start()
        found[precision] = score(engine, *asked, duration_s)
        engine.close()
        print(f"{precision} done", file=sys.stderr, flush=True)
    return found


def compare(full: Scores, other: Scores) -> dict[str, Drop]:
    return {name: Drop.of(full[name], other[name]) for name in full}


def broken(drops: dict[str, Drop]) -> list[str]:
    """List the scores that lie below the floor.

    Single properties have too few samples to be judged by; they are printed.
    """
    return [name for name in ("prompt", "melody") if name in drops and drops[name].less > FLOOR]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default=str(ROOT / "models/tiny"))
    parser.add_argument("--precisions", nargs="+", default=["int8"])
    parser.add_argument("--captions", type=int, default=120)
    parser.add_argument("--melodies", type=int, default=40)
    parser.add_argument("--duration", type=float, default=8.0)
    parser.add_argument("--slots", type=int, help="songs at once; 2 are the few rows of int8, 16 the many")
    args = parser.parse_args()
    precisions = ["fp32", *args.precisions]
    found = measure(args.checkpoint, precisions, args.captions, args.melodies, args.duration, args.slots)
    line: dict[str, float] = {}
    failed = []
    for precision in args.precisions:
        drops = compare(found["fp32"], found[precision])
        failed += [f"{precision}: {name}" for name in broken(drops)]
        print(f"{precision:9} {'float32':>9} {'less by':>9}  95 % interval")
        for name, drop in drops.items():
            print(f"{name:9} {drop.full:9.3f} {drop.less:9.3f}  {drop.low:.3f} to {drop.high:.3f}")
            line |= {f"{name}_fp32": round(drop.full, 3), f"{name}_drop_{precision}": round(drop.less, 3)}
    print(json.dumps(line | {"captions": args.captions, "melodies": args.melodies, "floor": FLOOR}))
    if failed:
        print(f"below the floor of {FLOOR}: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
