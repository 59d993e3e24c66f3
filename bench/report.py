"""Print a benchmark's figures: one row a case, the picture, the JSON line. Ratios are against audiocraft's speed."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.contestants import Case


@dataclass(frozen=True)
class Figures:
    """Hold the figures of one case that was run."""

    case: Case
    median_s: float
    ratio: float
    realtime_factor: float
    bandwidth_fraction: float  # of the least time that reading memory takes

    @classmethod
    def of(cls, case: Case, reference_s: float, duration_s: float, least_s: float) -> Figures:
        median_s = statistics.median(case.seconds)
        ratio = case.batch_size * reference_s / median_s
        return cls(case, median_s, ratio, case.batch_size * duration_s / median_s, least_s / median_s)


def print_table(figures: list[Figures], left_out: dict[str, str], console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("case", no_wrap=True)
    table.add_column("KV")
    for column in ("runs", "median s", "x real time", "ratio", "of bandwidth"):
        table.add_column(column, justify="right")
    for row in figures:
        numbers = f"{row.median_s:.2f}", f"{row.realtime_factor:.2f}", f"{row.ratio:.2f}"
        fraction = f"{100 * row.bandwidth_fraction:.0f} %"
        table.add_row(row.case.name, row.case.kv_precision, str(len(row.case.seconds)), *numbers, fraction)
    console.print(table)
    for name, why in left_out.items():
        console.print(f"skipped: {name}: {why}")


def json_figures(figures: list[Figures]) -> dict[str, Any]:
    """Return the JSON's figures. Keys end in the precision, and name the number of songs where it is not one."""
    line: dict[str, Any] = {}
    for row in figures:
        case = row.case
        if case.contestant != "ostinato":
            line[f"{case.contestant}_s"] = round(row.median_s, 2)
            line[f"{case.contestant}_ratio"] = round(row.ratio, 2)
            continue
        what = f"{case.batch_size}_{case.precision}"
        key = f"single_ratio_{case.precision}" if case.batch_size == 1 else f"aggregate_ratio_{what}"
        line[key] = round(row.ratio, 2)
        line[f"realtime_factor_{what}"] = round(row.realtime_factor, 3)
        line[f"bandwidth_fraction_{what}"] = round(row.bandwidth_fraction, 5)
        line[f"runs_{what}"] = len(case.seconds)
        line[f"kv_{case.precision}"] = case.kv_precision
    return line


def draw(figures: list[Figures], title: str, path: Path) -> None:
    """Draw the ratio against clips, a line for each precision; audiocraft is the line at 1."""
    import matplotlib

    matplotlib.use("svg" if path.suffix == ".svg" else "agg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = "ostinato"  # equal figures give equal files
    sheet, axes = pyplot.subplots(figsize=(7, 4))
    own = [row for row in figures if row.case.contestant == "ostinato"]
    for precision in dict.fromkeys(row.case.precision for row in own):
        rows = sorted((r for r in own if r.case.precision == precision), key=lambda r: r.case.batch_size)
        axes.plot([r.case.batch_size for r in rows], [r.ratio for r in rows], marker="o", label=f"Ostinato {precision}")
    for row in figures:
        if row.case.contestant != "ostinato":
            style = "--" if row.case.contestant == "audiocraft" else ":"
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
