"""`python -m bench.engine`: the batching engine against audiocraft's own generate, in one process, in turns.

A model of a published shape with random weights; clips with distinct seeds, from prompt to waveform, codec included.
Each round runs the peer and every configuration once, in an order that alternates; medians are reported, and ratios are
what counts, since machines are noisy. The memory bandwidth is measured in the same run. A table, then one JSON line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psutil
import torch
from audiocraft.models import MusicGen

from bench.shapes import random_musicgen
from worker.engine.batching import BatchingEngine
from worker.engine.info import describe
from worker.engine.linear import Precision
from worker.engine.piece import Piece
from worker.engine.reference import AudiocraftEngine

PEER = "audiocraft fp32, 1 song"


@dataclass
class Case:
    """One row of the table: how many songs at once, on which engine."""

    name: str
    songs: int
    run: Callable[[], None]
    seconds: list[float] = field(default_factory=list)

    def median(self) -> float:
        return statistics.median(self.seconds)


def pieces(count: int, duration_s: float) -> list[Piece]:
    return [Piece("slow sad piano in A minor", duration_s, seed=seed) for seed in range(count)]


def sing(engine: Any, count: int, duration_s: float) -> Callable[[], None]:
    def run() -> None:
        for handle in [engine.submit(piece) for piece in pieces(count, duration_s)]:
            handle.result()

    return run


def cases(model: MusicGen, device: str, songs: list[int], precisions: list[Precision], duration_s: float) -> list[Case]:
    info = describe(model, "random", device)
    reference = AudiocraftEngine(model, info)
    reference.start()
    found = [Case(PEER, 1, sing(reference, 1, duration_s))]
    for precision in precisions:
        engine = BatchingEngine(model, info, precision, slots=max(songs))
        engine.start()
        for count in songs:
            if count * engine.bytes_per_slot > psutil.virtual_memory().available * 0.8:
                print(f"skipped: {precision}, {count} songs: no memory", file=sys.stderr)
                continue
            found.append(Case(f"ostinato {precision}, {count} songs", count, sing(engine, count, duration_s)))
    return found


def bandwidth_gb_s() -> float:
    """How fast this machine reads memory: sums of a gigabyte, the median of five."""
    block = torch.ones(2**28)
    times = []
    for _ in range(5):
        began_at = time.perf_counter()
        block.sum()
        times.append(time.perf_counter() - began_at)
    return block.nbytes / statistics.median(times) / 1e9


def measure(found: list[Case], rounds: int) -> None:
    done, total = 0, rounds * len(found)
    for number in range(rounds):
        for case in found if number % 2 == 0 else reversed(found):
            began_at = time.perf_counter()
            case.run()
            case.seconds.append(time.perf_counter() - began_at)
            done += 1
            print(f"{done}/{total}  {case.name}: {case.seconds[-1]:.1f} s", file=sys.stderr, flush=True)


def report(found: list[Case], duration_s: float, read_gb_s: float) -> dict[str, Any]:
    """Prints the table; returns the JSON line's content. A ratio is in songs per second, against the peer."""
    peer = found[0].median()
    print(f"{'case':28} {'median s':>9} {'x real time':>12} {'ratio':>7}")
    line: dict[str, Any] = {"duration_s": duration_s, "bandwidth_gb_s": round(read_gb_s, 1)}
    for case in found:
        ratio, real_time = case.songs * peer / case.median(), case.songs * duration_s / case.median()
        print(f"{case.name:28} {case.median():9.2f} {real_time:12.2f} {ratio:7.2f}")
        if case.name != PEER:
            precision = case.name.split()[1].rstrip(",")
            key = f"single_ratio_{precision}" if case.songs == 1 else f"aggregate_ratio_{case.songs}_{precision}"
            line[key] = round(ratio, 2)
            line[f"realtime_factor_{case.songs}_{precision}"] = round(real_time, 3)
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shape", default="small", choices=["small", "medium", "large"])
    parser.add_argument("--device", default="cpu", choices=["cpu"], help="the batching engine runs on the CPU so far")
    parser.add_argument("--songs", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "int8"])
    parser.add_argument("--duration", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    model = random_musicgen(args.shape, args.device)
    found = cases(model, args.device, args.songs, args.precisions, args.duration)
    measure(found, args.rounds)
    line = report(found, args.duration, bandwidth_gb_s())
    line["shape"], line["threads"] = args.shape, torch.get_num_threads()
    print(json.dumps(line))


if __name__ == "__main__":
    main()
