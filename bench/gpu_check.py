"""Find out on a GPU what only a GPU can say, in nine minutes at most: `python -m bench.gpu_check`.

One line a finding, and at the end a line of JSON with all of them; ends with 1 when something is wrong. A step that the
time does not allow is left out, and said so, and so is a figure that the device cannot give. What each line means, and
what to do about a bad one: docs/gpu.md.

`--device cpu --shape tiny` runs the same steps without graphs, to see them work: its figures say nothing about a GPU.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bench.gpu.correctness import check_tiny
from bench.gpu.crowds import measure_crowds, measure_melodies
from bench.gpu.device import Device
from bench.gpu.findings import Findings
from bench.gpu.machine import describe
from bench.gpu.model_steps import measure_shapes
from bench.gpu.steps import SHAPES as USUAL_SHAPES
from bench.gpu.steps import Check, Step, run_steps
from bench.shapes import SHAPES

LIMIT_S = 540.0
GRACE_S = 15.0  # for a step that began in time; then the process ends, whatever it does
HUNG = 3  # exit status
# what would make everything else pointless comes first
STEPS = [
    Step("machine", 20.0, describe),
    Step("correctness", 40.0, check_tiny),
    Step("crowds", 60.0, measure_crowds),
    Step("shapes", 45.0, measure_shapes),
    Step("melodies", 40.0, measure_melodies),
]


def read_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--shape", nargs="+", default=USUAL_SHAPES, choices=list(SHAPES), help="the first is for songs")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds for everything (default: %(default)g)")
    parser.add_argument("--only", nargs="+", choices=[step.name for step in STEPS], help="these steps alone")
    parser.add_argument("--found", type=Path, help=argparse.SUPPRESS)  # by the process before this one
    args = parser.parse_args(argv)
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error(
            "--device cuda: torch finds no GPU here; docs/gpu.md says what it needs. See it work: --device cpu"
        )
    return args


def main(
    argv: list[str] | None = None,
    steps: list[Step] | None = None,
    execute: Callable[[str, list[str]], Any] = os.execv,
) -> int:
    """Run the steps, print the JSON line, and return the exit status."""
    args = read_arguments(argv)
    findings = Findings() if args.found is None else Findings.load(args.found)
    check = Check(Device(args.device), tuple(args.shape), findings, args.limit)
    watchdog = threading.Timer(check.left_s + GRACE_S, end_hung, [findings])
    watchdog.daemon = True
    watchdog.start()
    wanted = [step for step in steps or STEPS if args.only is None or step.name in args.only]
    try:
        left = run_steps(check, wanted)
    finally:
        watchdog.cancel()
    if left:
        execute(sys.executable, next_command(args, findings, left))
    print(findings.as_json())
    return bool(findings.bad)


def next_command(args: argparse.Namespace, findings: Findings, left: list[Step]) -> list[str]:
    """Return the command that goes on with the steps that are left, and write for it what was found."""
    with tempfile.NamedTemporaryFile(suffix=".json", delete=False) as file:
        found = Path(file.name)
    findings.save(found)
    options = ["--device", args.device, "--limit", str(args.limit), "--shape", *args.shape]
    return [sys.executable, "-m", "bench.gpu_check", *options, "--only", *(s.name for s in left), "--found", str(found)]


def end_hung(findings: Findings) -> None:
    """Print what is known, and end the process: a device that hangs ends no call."""
    findings.compared("it ends in time", "the device or a song hangs", good=False)
    print(findings.as_json(), flush=True)
    os._exit(HUNG)


if __name__ == "__main__":
    sys.exit(main())
