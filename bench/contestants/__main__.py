"""Run one contestant: `python -m bench.contestants NAME --weights FOLDER`. It is told what to do by lines.

Each line gets a line of JSON back; whatever the libraries print goes to the error output.

    warm                    loads and warms up, once: seconds, memory in MB, what else is known
    run SECONDS [SONGS]     makes so many clips, prompt to waveform: seconds, ms of a step, the process's peak in MB
    first SECONDS           streams a clip: seconds until its first chunk and its first second are there
    traffic KIND SECONDS SONGS  makes so many clips as bench/traffic.py has them
    end                     as does the input's end
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.contestants.base import Contestant, Crowded, Setup, Streaming
from bench.contestants.memory import peak_mb, resident_mb

WARM_UP_S = 0.3  # of music


def audiocraft(setup: Setup) -> Contestant:
    from bench.contestants.audiocraft_peer import AudiocraftPeer

    return AudiocraftPeer(setup)


def transformers(setup: Setup) -> Contestant:
    from bench.contestants.transformers_peer import TransformersPeer

    return TransformersPeer(setup)


def transformers_compiled(setup: Setup) -> Contestant:
    from bench.contestants.transformers_peer import CompiledTransformersPeer

    return CompiledTransformersPeer(setup)


def openvino(setup: Setup) -> Contestant:
    from bench.contestants.openvino_peer import OpenvinoPeer

    return OpenvinoPeer(setup)


def ostinato(setup: Setup) -> Contestant:
    from bench.contestants.engine import Ostinato

    return Ostinato(setup)


BY_NAME = {make.__name__: make for make in (audiocraft, transformers, transformers_compiled, openvino, ostinato)}


class Program:
    """Do what each line says, and return what its reply holds."""

    def __init__(self, make: Callable[[Setup], Contestant], setup: Setup) -> None:
        self._make, self._setup = make, setup
        self._began_at = time.perf_counter()
        self._contestant: Contestant | None = None

    def do(self, line: str) -> dict[str, Any]:
        word, *numbers = line.split()
        if word == "warm":
            return self._warm()
        if self._contestant is None:
            self._warm()
        assert self._contestant is not None
        if word == "first" and isinstance(self._contestant, Streaming):
            return self._contestant.first(float(numbers[0]))
        if word == "traffic" and isinstance(self._contestant, Crowded):
            return self._contestant.traffic(numbers[0], float(numbers[1]), int(numbers[2]))
        if word != "run":
            raise SystemExit(f"{word}: write warm, run, end, or for a contestant that has them first, traffic")
        began_at = time.perf_counter()
        step_ms = self._contestant.make(float(numbers[0]), int(numbers[1]) if numbers[1:] else 1)
        return {"seconds": time.perf_counter() - began_at, "step_ms": step_ms, "peak_mb": peak_mb()}

    def _warm(self) -> dict[str, Any]:
        contestant = self._make(self._setup)
        contestant.make(WARM_UP_S, 1)
        self._contestant = contestant
        seconds = time.perf_counter() - self._began_at
        resident = resident_mb()  # the system counts the two apart, and the peak sometimes a page later
        return {
            "boot_s": seconds,
            "boot_peak_mb": max(peak_mb(), resident),
            "boot_rss_mb": resident,
            **contestant.facts(),
        }


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=list(BY_NAME))
    parser.add_argument("--weights", type=Path, required=True, help="a folder that bench.shapes has written")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--slots", type=int)
    args = parser.parse_args(argv)
    program = Program(BY_NAME[args.name], Setup(args.weights, args.device, args.precision, args.slots))
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the libraries print is no reply
    for line in iter(sys.stdin.readline, ""):
        if line.strip() == "end":
            break
        print(json.dumps(program.do(line)), file=replies, flush=True)
    sys.stderr.flush()
    os._exit(0)  # nothing here is worth waiting for


if __name__ == "__main__":
    main()
