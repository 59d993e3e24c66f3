"""Measure our engine with songs that come as people send them (bench/traffic.py), for the benchmark (`TrafficBench`).

In one precision. On a GPU it is done without being asked: what songs that join at random times read is there most of
what a step does.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import entrants
from bench.arena import Entrant
from bench.report import describe_traffic, traffic_share
from bench.shapes import SHAPES, melody_weights_of
from worker.engine.core.types import Precision

KINDS = ("together", "staggered", "streams")
LONGEST_S = 30.0  # of a song, where nobody says otherwise: the longest that is one window


@dataclass(frozen=True)
class TrafficBench:
    """Ask a contestant for traffic, keep its figures in the benchmark's line, and say them."""

    args: argparse.Namespace
    speed_gb_s: float
    line: dict[str, Any]
    ask: Callable[[Entrant, str], dict[str, Any]]  # nothing comes back from one that fails
    say: Callable[[str], None]

    @property
    def precision(self) -> Precision:
        return entrants.usual(self.args)

    def measure(self, entrant: Entrant, precision: Precision, facts: dict[str, Any]) -> None:
        """Measure songs that start together, songs that join at random times, and streams, in the usual precision."""
        if precision == self.precision:
            for clips in sorted({min(clips, facts["slots"]) for clips in self.args.traffic}):
                for kind in KINDS:
                    self._measure(entrant, kind, clips, facts["kv_precision"])

    def melody_entrant(self, folder: Path) -> Entrant | None:
        """Return the engine with the model that takes melodies, which demucs separates first; None if not asked for."""
        if not self.args.melodies:
            return None
        weights = melody_weights_of(self.args.shape, folder)
        entrant = entrants.own(self.precision, weights, self.args.device, None)
        return replace(entrant, name=f"{entrant.name} with melodies")

    def measure_melodies(self, entrant: Entrant, facts: dict[str, Any]) -> None:
        """Measure songs with melodies."""
        self._measure(entrant, "melodies", min(self.args.melodies, facts["slots"]), facts["kv_precision"])

    def _measure(self, entrant: Entrant, kind: str, clips: int, kv_precision: Precision) -> None:
        seconds = self.args.duration or LONGEST_S
        if found := self.ask(entrant, f"traffic {kind} {seconds} {clips}"):
            share = traffic_share(SHAPES[self.args.shape], (self.precision, kv_precision), found, self.speed_gb_s)
            self.line[f"{kind}_{clips}"] = {**found, "seconds_each": seconds, "bandwidth_fraction": share}
            self.say(describe_traffic(f"{clips} songs of {seconds:g} s, {kind}", found, share))
