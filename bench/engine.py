"""Measure the engine against audiocraft and transformers in one process, in turns: `python -m bench.engine`.

A model of a published shape with random weights; clips with distinct seeds, from prompt to waveform, codec included.
The order alternates and medians are reported; ratios are what counts, since machines are noisy. The memory bandwidth is
measured in the same run, and each figure is given as a fraction of what it allows. A table, a picture, one JSON line.
Clips are as long as the time allows for every figure that is promised, 10 s at most; `--duration` decides otherwise.

Nothing else should run on the machine meanwhile: with two threads on two cores, every small operation waits for the
thread that was pushed aside. The contestants come one at a time, each with all cores to itself. `--device cuda` needs
no other option.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import psutil
import torch
import transformers
from rich.console import Console

from bench.bandwidth import bandwidth_gb_s, bytes_per_clip, bytes_per_position
from bench.contestants import WARM_UP_S, Case, EngineHolder, audiocraft_case, engine_case, requests, transformers_case
from bench.plan import Plan, in_order
from bench.report import Figures, draw, json_figures, print_table
from bench.shapes import SHAPES, random_musicgen
from worker.engine.core.streams import WorkStream
from worker.engine.core.types import Precision
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.imports.audiocraft import MusicGen
from worker.engine.model.precisions import available

MEMORY_SHARE = 0.8  # of what is free may be filled with songs
FIRST_CHUNKS = 3
STREAMED_S = 2.0  # of a piece whose first chunk alone is waited for
LONGEST_S, QUICK_S, SHORTEST_S = 10.0, 2.0, 0.5  # of a clip, where nobody says otherwise
REFERENCE_SHARE = 1 / 7  # of the time: what is promised takes some five times as long as the reference's clip
PROMISED = (1, 16)  # songs at once that come first in the plan


class Bench:
    """Measure one shape on one device. `run` measures one group of precisions after the other and reports all."""

    def __init__(self, args: argparse.Namespace, console: Console) -> None:
        self.args, self.console = args, console
        self.began_at = time.perf_counter()
        self.left_out: dict[str, str] = {}
        self.line: dict[str, Any] = {"shape": args.shape, "device": args.device}
        self.clip_s = args.duration or (QUICK_S if args.quick else LONGEST_S)  # at most, until the pace is known

    def run(self) -> dict[str, Any]:
        args = self.args
        self.console.print(f"MusicGen-{args.shape}'s shape, random weights, on {self._where()}")
        speed = bandwidth_gb_s(args.device, args.bandwidth_block_mb << 20)
        model = WorkStream(torch.device(args.device)).run(lambda: random_musicgen(args.shape, args.device))
        holder = EngineHolder(model, args.device, max(args.batch_size) if args.device == "cpu" else None)
        peers = [audiocraft_case(holder)]
        if not args.no_transformers:
            peers.append(transformers_case(args.shape, holder))
        for peer in peers:
            peer.run(WARM_UP_S)
        began_at = time.perf_counter()
        peers[0].run(WARM_UP_S)
        self._pace = (time.perf_counter() - began_at) / WARM_UP_S  # seconds for one of the reference's music
        own = [case for group in self._groups() for case in self._measure(holder, peers, group)]
        speed = max(speed, bandwidth_gb_s(args.device, args.bandwidth_block_mb << 20))
        self._report(model, [case for case in [*peers, *own] if case.seconds], speed)
        return self.line

    def _where(self) -> str:
        if self.args.device == "cpu":
            return f"{torch.get_num_threads()} threads of the CPU"
        return str(torch.cuda.get_device_name())

    def _groups(self) -> list[list[Precision]]:
        """Group the precisions: side by side on a CPU; on a GPU one by one, since an engine takes all the memory."""
        found = available(self.args.device)
        wanted = self.args.precisions or [p for p in found if p in ("fp32", "int8") or self.args.device != "cpu"]
        for precision in set(wanted) - set(found):
            self.left_out[precision] = f"not available on {self.args.device}"
        if self.args.device == "cpu":
            self.left_out |= {p: "has no fast kernel on this CPU" for p in found if p not in wanted}
        wanted = [precision for precision in wanted if precision in found]
        return [wanted] if self.args.device == "cpu" else [[precision] for precision in wanted]

    def _measure(self, holder: EngineHolder, peers: list[Case], precisions: list[Precision]) -> list[Case]:
        args, cases = self.args, list[Case]()
        for precision in precisions:
            engine = holder.engine(precision)
            cases += [engine_case(holder, precision, n) for n in args.batch_size if self._fits(holder.model, engine, n)]
            self._measure_start(engine)
        order = [*peers, *cases] if args.once else in_order(peers, cases, PROMISED)
        left_s = max(1.0, args.budget - (time.perf_counter() - self.began_at)) if args.budget else 0
        if args.duration is None and not peers[0].seconds:
            self.clip_s = clip_length(self._pace, left_s, self.clip_s)
        self.console.print(f"clips of {self.clip_s:g} s")
        plan = Plan(order, left_s)
        plan.run(self.clip_s, self.console)
        self.left_out |= plan.left_out
        holder.clear()
        return cases

    def _fits(self, model: MusicGen, engine: ContinuousBatchingEngine, batch_size: int) -> bool:
        name = f"ostinato {engine.info.precision}, {batch_size} songs"
        positions = self._frames(model) + 64
        wanted = batch_size * 2 * positions * bytes_per_position(model.lm, engine.info.precision)
        if batch_size > engine.slots:
            self.left_out[name] = f"the memory holds {engine.slots} slots"
        elif self.args.device == "cpu" and wanted > MEMORY_SHARE * psutil.virtual_memory().available:
            self.left_out[name] = f"{wanted / 2**30:.0f} GiB of keys and values are more than the free memory"
        else:
            return True
        return False

    def _measure_start(self, engine: ContinuousBatchingEngine) -> None:
        """Measure how soon a streamed request's first audio is there, and what a slot takes."""
        seconds = []
        for request in requests(FIRST_CHUNKS, STREAMED_S, stream=True):
            began_at = time.perf_counter()
            handle = engine.submit(request)
            next(handle.chunks())
            seconds.append(time.perf_counter() - began_at)
            handle.cancel()
            handle.wait()
        for name, value in (("first_chunk_s", round(statistics.median(seconds), 3)), ("slots", engine.slots)):
            self.line.setdefault(name, value)
            self.line[f"{name}_{engine.info.precision}"] = value
        self.line.setdefault("bytes_per_slot", engine.bytes_per_slot)
        self.line[f"bytes_per_slot_{engine.info.precision}"] = engine.bytes_per_slot

    def _frames(self, model: MusicGen) -> int:
        return int(self.clip_s * model.frame_rate)

    def _report(self, model: MusicGen, cases: list[Case], speed_gb_s: float) -> None:
        args, reference_s = self.args, statistics.median(cases[0].seconds)
        figures = []
        for case in cases:
            least = bytes_per_clip(model.lm, case.precision, case.batch_size, self._frames(model)) / speed_gb_s / 1e9
            figures.append(Figures.of(case, reference_s, self.clip_s, least))
        print_table(figures, self.left_out, self.console)
        chunk, slot = self.line["first_chunk_s"], self.line["bytes_per_slot"] / 2**20
        self.console.print(
            f"memory is read at {speed_gb_s:.1f} GB/s; a streamed piece's first second is there after {chunk:.2f} s; "
            f"a slot of the longest window takes {slot:.0f} MiB"
        )
        self.line |= {"duration_s": self.clip_s} | json_figures(figures)
        self.line |= {"bandwidth_gb_s": round(speed_gb_s, 1), "threads": torch.get_num_threads()}
        self.line |= {"skipped": self.left_out, "wall_s": round(time.perf_counter() - self.began_at, 1)}
        if args.picture is not None:
            draw(figures, f"MusicGen-{args.shape}, {self.clip_s:g} s clips, {self._where()}", args.picture)
            self.console.print(f"picture: {args.picture}")


def clip_length(reference_s: float, left_s: float, longest_s: float) -> float:
    """Choose the seconds of a clip, in halves, such that what is promised fits into `left_s` (0: whatever it takes).

    The reference takes `reference_s` for each second of music.
    """
    if not left_s:
        return longest_s
    return min(longest_s, max(SHORTEST_S, int(2 * REFERENCE_SHARE * left_s / reference_s) / 2))


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
    parser.add_argument("--duration", type=float, help="seconds of each clip; default: as --budget allows, at most 10")
    parser.add_argument("--budget", type=float, default=840.0, help="seconds for everything; 0: whatever it takes")
    parser.add_argument("--quick", action="store_true", help="2 s at most, 1 and 16 songs, under three minutes")
    parser.add_argument("--no-transformers", action="store_true", help="leave that peer out")
    parser.add_argument("--picture", type=Path, help="where to draw the ratios, .svg or .png")
    parser.add_argument("--once", action="store_true", help="each case once, not in turns: only to see it work")
    parser.add_argument("--bandwidth-block-mb", type=int, default=1024, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.quick:
        args.budget, args.batch_size = min(args.budget, 150.0), args.batch_size or [1, 16]
    args.batch_size = args.batch_size or ([1, 2, 4, 8, 16, 32] if args.device == "cpu" else [1, 4, 16, 32, 64, 96, 128])
    return args


def main(argv: list[str] | None = None) -> None:
    transformers.logging.set_verbosity_error()
    console = Console(highlight=False, soft_wrap=True)
    line = Bench(read_arguments(argv), console).run()
    print(json.dumps(line))


if __name__ == "__main__":
    main()
