"""Print a benchmark's figures: one row a case, the picture, the JSON line.

Ratios are against audiocraft's speed, and against that of the fastest peer.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.bandwidth import bandwidth_share
from bench.plan import Case
from bench.shapes import Shape
from worker.engine.core.types import Precision

OWN, REFERENCE = "ostinato", "audiocraft"
TABLE_WIDTH = 110  # where it goes into a file


@dataclass(frozen=True)
class Figures:
    """Hold the figures of one case that was run. A ratio is not a number where what it is against did not run."""

    case: Case
    median_s: float
    ratio: float  # against audiocraft
    best_ratio: float  # against the fastest peer
    realtime_factor: float
    bandwidth_fraction: float  # of the least time that reading memory takes

    @classmethod
    def of(cls, case: Case, peers: list[Case], duration_s: float, least_s: float) -> Figures:
        median_s = statistics.median(case.seconds)
        reference, best = (_median_of(peer) for peer in (reference_of(peers), best_of(peers)))
        return cls(
            case,
            median_s,
            case.batch_size * reference / median_s,
            case.batch_size * best / median_s,
            case.batch_size * duration_s / median_s,
            least_s / median_s,
        )


def reference_of(peers: list[Case]) -> Case | None:
    return next((peer for peer in peers if peer.contestant == REFERENCE and peer.seconds), None)


def best_of(peers: list[Case]) -> Case | None:
    """Return the fastest peer that has run."""
    return min((peer for peer in peers if peer.seconds), key=lambda peer: statistics.median(peer.seconds), default=None)


def _median_of(case: Case | None) -> float:
    return math.nan if case is None else statistics.median(case.seconds)


def print_table(figures: list[Figures], left_out: dict[str, str], console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("case", no_wrap=True)
    table.add_column("KV")
    for column in ("runs", "median s", "step ms", "x real time", "ratio", "to best", "of bound"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in figures:
        case = row.case
        step = f"{statistics.median(case.step_ms):.1f}" if case.step_ms else "-"
        numbers = f"{row.median_s:.2f}", step, f"{row.realtime_factor:.2f}", f"{row.ratio:.2f}", f"{row.best_ratio:.2f}"
        fraction = f"{100 * row.bandwidth_fraction:.0f} %"
        table.add_row(case.name, case.kv_precision, str(len(case.seconds)), *numbers, fraction)
    wide = console if console.is_terminal else Console(file=console.file, width=TABLE_WIDTH, quiet=console.quiet)
    wide.print(table)
    for name, why in left_out.items():
        console.print(f"left out: {name}: {why}", markup=False)


def json_figures(figures: list[Figures]) -> dict[str, Any]:
    """Return the JSON's figures. Keys end in the precision, and name the number of songs where it is not one."""
    best = best_of([row.case for row in figures if row.case.contestant != OWN])
    line: dict[str, Any] = {"best_peer": None if best is None else best.contestant}
    for row in figures:
        line |= own_figures(row) if row.case.contestant == OWN else peer_figures(row)
    return line


def peer_figures(row: Figures) -> dict[str, Any]:
    name = row.case.contestant
    line: dict[str, Any] = {f"{name}_s": round(row.median_s, 2), f"{name}_runs": len(row.case.seconds)}
    if not math.isnan(row.ratio):
        line[f"{name}_ratio"] = round(row.ratio, 2)
    return line | _step(name, row.case)


def own_figures(row: Figures) -> dict[str, Any]:
    case, what = row.case, f"{row.case.batch_size}_{row.case.precision}"
    line: dict[str, Any] = {
        f"realtime_factor_{what}": round(row.realtime_factor, 3),
        f"bandwidth_fraction_{what}": round(row.bandwidth_fraction, 5),
        f"runs_{what}": len(case.seconds),
        f"kv_{case.precision}": case.kv_precision,
    }
    kind, which = ("single", case.precision) if case.batch_size == 1 else ("aggregate", what)
    if not math.isnan(row.ratio):
        line[f"{kind}_ratio_{which}"] = round(row.ratio, 2)
    if not math.isnan(row.best_ratio):
        line[f"{kind}_{which}_ratio_best_peer"] = round(row.best_ratio, 2)
    return line | _step(what, case)


def _step(what: str, case: Case) -> dict[str, float]:
    return {f"step_ms_{what}": round(statistics.median(case.step_ms), 2)} if case.step_ms else {}


def traffic_share(
    shape: Shape, precisions: tuple[Precision, Precision], found: dict[str, Any], gb_s: float
) -> float | None:
    """Return the share of the bandwidth that a step of traffic has, at the median."""
    if not found["step_ms"] or not found["row_positions"]:
        return None
    return round(bandwidth_share(shape, *precisions, found["row_positions"], found["step_ms"], gb_s), 4)


def describe_traffic(what: str, found: dict[str, Any], share: float | None = None) -> str:
    """Return the figures of a crowd (bench/traffic.py) in words."""
    parts = [f"{what}: {found['audio_s_per_s']:.0f} audio-seconds a second in {found['seconds']:.1f} s"]
    if found["step_ms"] is not None:
        parts.append(
            f"step {found['step_ms']:.1f} ms, p99 {found['step_p99_ms']:.1f}, longest {found['longest_ms']:.0f}"
        )
    if share is not None:
        parts.append(f"{100 * share:.0f} % of the bandwidth")
    if found["first_chunk_s"] is not None:
        first, behind = found["first_chunk_s"], found["behind_s"]
        parts.append(f"first chunk after {first:.2f} s, a listener waits {behind:.2f} s at most")
    if found["conditioning_s"] is not None:
        parts.append(f"conditions {found['conditioning_s']:.2f} s a song")
    if found["failed"]:
        parts.append(f"{found['failed']} failed")
    return "; ".join(parts)


def draw(figures: list[Figures], title: str, path: Path) -> None:
    """Draw the ratio against clips, a line for each precision; audiocraft is the line at 1."""
    import matplotlib

    matplotlib.use("svg" if path.suffix == ".svg" else "agg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = "ostinato"  # equal figures give equal files
    sheet, axes = pyplot.subplots(figsize=(7, 4))
    own = [row for row in figures if row.case.contestant == OWN]
    for precision in dict.fromkeys(row.case.precision for row in own):
        rows = sorted((r for r in own if r.case.precision == precision), key=lambda r: r.case.batch_size)
        axes.plot([r.case.batch_size for r in rows], [r.ratio for r in rows], marker="o", label=f"Ostinato {precision}")
    for row in figures:
        if row.case.contestant != OWN:
            style = "--" if row.case.contestant == REFERENCE else ":"
            axes.axhline(row.ratio, linestyle=style, color="grey", label=f"{row.case.contestant} {row.case.precision}")
    counts = sorted({row.case.batch_size for row in own})
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set(xlabel="songs at once", ylabel="songs per hour, against audiocraft", title=title)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.savefig(path, bbox_inches="tight", metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(sheet)
