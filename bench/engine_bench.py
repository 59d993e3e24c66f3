"""Measure one shape on one device: boot every contestant, let them take turns, report all (`EngineBench`)."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch
from rich.console import Console

from bench import entrants
from bench.arena import Arena, ContestantFailed, Entrant
from bench.bandwidth import bandwidth_gb_s, bytes_per_clip, bytes_per_position
from bench.busy import busy_core
from bench.engine_traffic import TrafficBench
from bench.machine import describe_cpu
from bench.plan import Case, Plan, Run, clip_length, in_order
from bench.report import OWN, REFERENCE, Figures, draw, json_figures, print_table
from bench.shapes import SHAPES, weights_of
from stack.child_process import Child
from worker.engine.core.types import Precision
from worker.engine.model.precisions import available
from worker.engine.native.loader import all_kernels

MEMORY_SHARE = 0.8  # of what is free may be filled with songs
NEEDS_CHECKPOINTS = 4  # a contestant's memory at its boot, in sizes of the checkpoint
BOOT_PATIENCE_S = 900.0
PATIENCE_S = 300.0  # with what is measured before the turns begin
FIRST_CHUNKS = 3
STREAMED_S = 2.0  # of a clip of which the first second is waited for
BUSY_CLIP_S, BUSY_PAIRS = 1.0, 2
PACE_S = 0.3  # of the reference's music, to know its speed
LONGEST_S = 10.0  # of a clip, where nobody says otherwise
PROMISED = (1, 16)  # songs at once that come first in the plan
FRAME_RATE_HZ = 50
TEXT_POSITIONS = 64  # more than a prompt's
ONLY_FULL = "FULL=1 measures it"


class EngineBench:
    """Measure one shape on one device. `run` measures one group of precisions after the other and reports all."""

    def __init__(
        self,
        args: argparse.Namespace,
        console: Console,
        folder: Path,
        spawn: Callable[..., Child] | None = None,
    ) -> None:
        """Write weights and logs below that folder."""
        self.args, self.console, self._folder, self._spawn = args, console, folder, spawn
        self.began_at = time.perf_counter()
        self.shape = SHAPES[args.shape]
        self.left_out: dict[str, str] = {}
        self.line: dict[str, Any] = {"shape": args.shape, "device": args.device, "cpu": describe_cpu(), "kernels": {}}
        self.clip_s = args.duration or args.longest or LONGEST_S  # at most, until the pace is known
        self._pace_s = 0.0  # for one second of the reference's music

    def run(self) -> dict[str, Any]:
        args = self.args
        self.console.print(f"MusicGen-{args.shape}'s shape, random weights, on {self._where()}")
        self._weights = weights_of(args.shape, self._folder)
        size = sum(path.stat().st_size for path in self._weights.rglob("*") if path.is_file()) / 2  # in two formats
        speed = bandwidth_gb_s(args.device, args.bandwidth_block_mb << 20)
        self._traffic = TrafficBench(args, speed, self.line, self._try, self._say)
        with Arena(self._folder, int(NEEDS_CHECKPOINTS * size), self._spawn) as self._arena:
            peers = self._boot_peers()
            own = [case for group in self._groups() for case in self._measure(peers, group)]
            self._measure_melodies()
        speed = max(speed, bandwidth_gb_s(args.device, args.bandwidth_block_mb << 20))
        self._report(peers, own, speed)
        return self.line

    def _where(self) -> str:
        if self.args.device == "cpu":
            return f"{torch.get_num_threads()} threads of the CPU"
        return str(torch.cuda.get_device_name())

    def _boot_peers(self) -> list[Case]:
        """Boot the peers one after the other, the reference first, and learn its pace."""
        args, cases = self.args, list[Case]()
        for name in entrants.PEERS:
            why = entrants.why_missing(name, args.device)
            if name not in args.peers:
                self.left_out[name] = ONLY_FULL if name in entrants.LEFT_TO_FULL else "it was not asked for"
            elif why is not None:
                self.left_out[name] = why
            else:
                entrant = entrants.peer(name, self._weights, args.device)
                if self._boot(entrant, name) is not None:
                    precision = entrants.precision_of(name, args.device)
                    kv_precision: Precision = "fp32" if args.device == "cpu" else precision
                    cases.append(Case(name, precision, kv_precision, 1, self._runs(entrant, 1)))
                    if name == REFERENCE:
                        self._pace_s = self._try(entrant, f"run {PACE_S}").get("seconds", 0.0) / PACE_S
        if not args.full:
            self.left_out |= {"clips of 30 s": ONLY_FULL, "medium's shape": ONLY_FULL}
        return cases

    def _boot(self, entrant: Entrant, key: str) -> dict[str, Any] | None:
        """Return what a contestant says of itself once it is warm; None for one that fails, which is left out."""
        self._say(f"{entrant.name} boots")
        facts = self._try(entrant, "warm", BOOT_PATIENCE_S)
        for name in ("boot_s", "boot_peak_mb", "boot_rss_mb", "load_s", "warm_up_s", "captures"):
            if name in facts:
                self.line[f"{name}_{key}"] = round(facts[name], 1)
        return facts or None

    def _try(self, entrant: Entrant, line: str, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """Ask a contestant; nothing when it fails, which is noted."""
        try:
            return self._arena.ask(entrant, line, min(patience_s, self._left_s() / 2 or patience_s))
        except ContestantFailed as error:
            self.left_out[entrant.name] = str(error)
            return {}

    def _runs(self, entrant: Entrant, clips: int) -> Callable[[float, float], Run]:
        def run(duration_s: float, patience_s: float) -> Run:
            if self._arena.pid_of(entrant) is None:  # it has made room for another
                self._arena.ask(entrant, "warm", patience_s)
            took = self._arena.ask(entrant, f"run {duration_s} {clips}", patience_s)
            return Run(took["seconds"], took["step_ms"])

        return run

    def _groups(self) -> list[list[Precision]]:
        """Group the precisions: side by side on a CPU; on a GPU one by one, since an engine takes all the memory."""
        found, on_cpu = available(self.args.device), self.args.device == "cpu"
        fast = {"fp32", "int8", *(["bf16"] if all_kernels() else [])}
        wanted = self.args.precisions or [p for p in found if p in fast or not on_cpu]
        for precision in set(wanted) - set(found):
            self.left_out[precision] = f"not available on {self.args.device}"
        if on_cpu:
            slow, unasked = "it has no fast kernel on this CPU", "it was not asked for"
            self.left_out |= {p: unasked if p in fast else slow for p in found if p not in wanted}
        wanted = [precision for precision in wanted if precision in found]
        return [wanted] if on_cpu else [[precision] for precision in wanted]

    def _measure(self, peers: list[Case], precisions: list[Precision]) -> list[Case]:
        args, cases, ours = self.args, list[Case](), list[Entrant]()
        for precision in precisions:
            slots = max(args.batch_size) if args.device == "cpu" else None
            entrant = entrants.own(precision, self._weights, args.device, slots)
            facts = self._boot(entrant, precision)
            if facts is not None:
                ours.append(entrant)
                cases += self._cases(entrant, precision, facts)
                self._measure_start(entrant, precision)
                self._measure_busy(entrant, precision)
                self._traffic.measure(entrant, precision, facts)
        order = [*peers, *cases] if args.once else in_order(peers, cases, PROMISED)
        left_s = self._left_s()
        if args.duration is None and not any(peer.seconds for peer in peers):
            self.clip_s = clip_length(self._pace_s, left_s, self.clip_s)
        self.console.print(f"clips of {self.clip_s:g} s")
        plan = Plan(order, left_s)
        plan.run(self.clip_s, self.console)
        self.left_out |= plan.left_out
        for entrant in ours:
            self._arena.end(entrant)
        return cases

    def _cases(self, entrant: Entrant, precision: Precision, facts: dict[str, Any]) -> list[Case]:
        """Return a case for each number of songs that memory and slots allow, and keep what the engine is."""
        self.line["kernels"][precision] = facts["kernels"]
        for name in ("slots", "bytes_per_slot"):
            self.line.setdefault(name, facts[name])
            self.line[f"{name}_{precision}"] = facts[name]
        return [
            Case(OWN, precision, facts["kv_precision"], clips, self._runs(entrant, clips))
            for clips in self.args.batch_size
            if self._fits(precision, clips, facts)
        ]

    def _fits(self, precision: Precision, clips: int, facts: dict[str, Any]) -> bool:
        name, slots = f"{OWN} {precision}, {clips} songs", facts["slots"]
        positions = self._frames() + TEXT_POSITIONS
        wanted = clips * 2 * positions * bytes_per_position(self.shape, facts["kv_precision"])
        if clips > slots:
            self.left_out[name] = f"the memory holds {slots} slots"
        elif self.args.device == "cpu" and wanted > MEMORY_SHARE * psutil.virtual_memory().available:
            self.left_out[name] = f"{wanted / 2**30:.0f} GiB of keys and values are more than the free memory"
        else:
            return True
        return False

    def _measure_start(self, entrant: Entrant, precision: Precision) -> None:
        """Measure how soon a streamed clip's first chunk (0.4 s of music) and its first full second are there."""
        found = [self._try(entrant, f"first {STREAMED_S}") for _ in range(FIRST_CHUNKS)]
        for name in ("first_chunk_s", "first_second_s"):
            if seconds := [each[name] for each in found if each]:
                value = round(statistics.median(seconds), 3)
                self.line.setdefault(name, value)
                self.line[f"{name}_{precision}"] = value

    def _measure_busy(self, entrant: Entrant, precision: Precision) -> None:
        """Measure how much longer a song's step takes while another thread keeps a core busy."""
        if self.args.device != "cpu":
            return
        line, ratios = f"run {BUSY_CLIP_S}", list[float]()
        for _ in range(BUSY_PAIRS):
            alone = self._try(entrant, line).get("step_ms")
            with busy_core(self._spawn):
                beside = self._try(entrant, line).get("step_ms")
            if alone and beside:
                ratios.append(beside / alone)
        if ratios:
            self.line[f"busy_step_ratio_{precision}"] = round(statistics.median(ratios), 2)

    def _measure_melodies(self) -> None:
        entrant = self._traffic.melody_entrant(self._folder)
        if entrant is not None and (facts := self._boot(entrant, "melody")) is not None:
            self._traffic.measure_melodies(entrant, facts)
            self._arena.end(entrant)

    def _frames(self) -> int:
        return int(self.clip_s * FRAME_RATE_HZ)

    def _left_s(self) -> float:
        """Return the seconds left, at least one; 0 when it may take whatever it takes."""
        return max(1.0, self.args.budget - self._elapsed_s()) if self.args.budget else 0.0

    def _elapsed_s(self) -> float:
        return time.perf_counter() - self.began_at

    def _say(self, what: str) -> None:
        self.console.print(f"{self._elapsed_s():6.0f} s  {what}")

    def _report(self, peers: list[Case], own: list[Case], speed_gb_s: float) -> None:
        figures = list[Figures]()
        for case in [*peers, *own]:
            if case.seconds:
                least = bytes_per_clip(self.shape, case.precision, case.kv_precision, case.batch_size, self._frames())
                figures.append(Figures.of(case, peers, self.clip_s, least / speed_gb_s / 1e9))
        print_table(figures, self.left_out, self.console)
        self.console.print(f"memory is read at {speed_gb_s:.1f} GB/s")
        self.line |= {"duration_s": self.clip_s} | json_figures(figures)
        self.line |= {"bandwidth_gb_s": round(speed_gb_s, 1), "threads": torch.get_num_threads()}
        self.line |= {"skipped": self.left_out, "wall_s": round(self._elapsed_s(), 1)}
        if self.args.picture is not None:
            draw(figures, f"MusicGen-{self.args.shape}, {self.clip_s:g} s clips, {self._where()}", self.args.picture)
            self.console.print(f"picture: {self.args.picture}")
