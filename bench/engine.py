"""Measure the engine against its peers, each as its users run it, in turns: `python -m bench.engine`.

A model of a published shape with random weights; clips with distinct seeds, from prompt to waveform, codec included.
Every contestant is a process of its own, in its main thread with its own default threads, and alone: the others are
suspended meanwhile (bench/arena.py). The order alternates and medians are reported; ratios are what counts, since
machines are noisy. The memory bandwidth is measured in the same run, and each figure is given as a fraction of what it
allows. A table, a picture, one JSON line.

Clips are as long as the time allows for every figure that is promised, 10 s at most; `--duration` decides otherwise.
`--full` takes two hours: all peers, then clips of 30 s, then medium's shape. Nothing else should run on the machine
meanwhile. `--device cuda` needs no other option; it measures traffic too (bench/traffic.py): songs that join at random
times beside songs that start together, streams, melodies.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.engine_bench import EngineBench
from bench.entrants import LEFT_TO_FULL, PEERS
from bench.served import temporary_folder
from bench.shapes import SHAPES

QUICK_S, LONG_S = 2.0, 30.0  # of a clip
BUDGET_S, QUICK_BUDGET_S = 1080.0, 150.0
PROMISED = [1, 16]  # songs at once
FULL_BUDGETS_S = {"": 1500.0, "clips_30_s": 2900.0, "medium": 2800.0}  # of the run's parts


def read_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="small", choices=list(SHAPES))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument(
        "--songs", dest="batch_size", type=int, nargs="+", help="how many at once (CPU: 1 to 32, GPU: 1 to 128)"
    )
    parser.add_argument(
        "--precisions", nargs="+", choices=["fp32", "bf16", "fp16", "int8"], help="default: the fast ones"
    )
    parser.add_argument("--peers", nargs="*", choices=PEERS, help="default: all but what takes minutes to compile")
    parser.add_argument(
        "--traffic", type=int, nargs="*", help="songs at once that start together, join at random times, are streamed"
    )
    parser.add_argument("--melodies", type=int, help="songs with melodies at once (demucs with random weights)")
    parser.add_argument("--duration", type=float, help="seconds of each clip; default: as --budget allows, at most 10")
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds for everything; 0: whatever it takes")
    parser.add_argument("--quick", action="store_true", help="2 s at most, 1 and 16 songs, audiocraft alone")
    parser.add_argument("--full", action="store_true", help="all peers, 30 s clips and medium's shape: two hours")
    parser.add_argument("--picture", type=Path, help="where to draw the ratios, .svg or .png")
    parser.add_argument("--once", action="store_true", help="each case once, not in turns: only to see it work")
    parser.add_argument("--bandwidth-block-mb", type=int, default=1024, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    args.longest = QUICK_S if args.quick else None
    if args.quick:
        args.budget, args.batch_size = min(args.budget, QUICK_BUDGET_S), args.batch_size or PROMISED
        args.peers = args.peers if args.peers is not None else PEERS[:1]
    args.batch_size = args.batch_size or ([1, 2, 4, 8, 16, 32] if args.device == "cpu" else [1, 4, 16, 32, 64, 96, 128])
    on_gpu = args.device != "cpu"
    args.traffic = args.traffic if args.traffic is not None else [16, 64, 128] if on_gpu else []
    args.melodies = args.melodies if args.melodies is not None else 16 if on_gpu else 0
    if args.peers is None:
        args.peers = [name for name in PEERS if args.full or name not in LEFT_TO_FULL]
    return args


def parts(args: argparse.Namespace) -> dict[str, argparse.Namespace]:
    """Return the runs of which a benchmark consists: one, or with `--full` three, by their names in the JSON line."""
    if not args.full:
        return {"": args}
    made = {name: copy.copy(args) for name in FULL_BUDGETS_S}
    for name, part in made.items():
        part.budget = FULL_BUDGETS_S[name]
    for name in ("clips_30_s", "medium"):
        made[name].batch_size, made[name].picture = PROMISED, None
        made[name].traffic, made[name].melodies = [], 0
    made["clips_30_s"].duration, made["medium"].shape = LONG_S, "medium"
    return made


def main(argv: list[str] | None = None) -> None:
    console, args = Console(highlight=False, soft_wrap=True), read_arguments(argv)
    line: dict[str, Any] = {}
    with temporary_folder() as folder:
        for name, part in parts(args).items():
            found = EngineBench(part, console, folder).run()
            line |= {name: found} if name else found
    print(json.dumps(line))


if __name__ == "__main__":
    main()
