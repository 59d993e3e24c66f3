"""Choose who takes part in the engine's benchmark, and say why who does not."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from bench import peer_environment
from bench.arena import Entrant
from bench.report import OWN, REFERENCE
from bench.shapes import dtype_on
from worker.engine.core.types import Precision
from worker.engine.model.precisions import NAMES, available

COMPILED, OPENVINO = "transformers_compiled", "openvino"
PEERS = (REFERENCE, "transformers", COMPILED, OPENVINO)
LEFT_TO_FULL = (COMPILED,)  # compiling takes minutes
COMPILERS = ("g++", "clang++", "c++")


def peer(name: str, weights: Path, device: str) -> Entrant:
    python = str(peer_environment.PYTHON) if name == OPENVINO else sys.executable
    arguments = (name, "--weights", str(weights), "--device", device)
    return Entrant(f"{name} {precision_of(name, device)}", arguments, python)


def own(precision: Precision, weights: Path, device: str, slots: int | None) -> Entrant:
    arguments = (OWN, "--weights", str(weights), "--device", device, "--precision", precision)
    return Entrant(f"{OWN} {precision}", arguments + (() if slots is None else ("--slots", str(slots))))


def usual(args: argparse.Namespace) -> Precision:
    """Return the precision that is measured with traffic: the first that was asked for, or the device's usual one."""
    return (args.precisions or available(args.device))[0]


def precision_of(peer_name: str, device: str) -> Precision:
    """Return what a peer's users run it in: OpenVINO with its weights compressed, the others in the checkpoint's."""
    return "int8" if peer_name == OPENVINO else NAMES[dtype_on(device)]


def why_missing(peer_name: str, device: str) -> str | None:
    """Return why that peer cannot take part on this machine; None when it can."""
    if peer_name == OPENVINO:
        if device != "cpu":
            return "it is measured on CPUs"
        if not peer_environment.is_complete():
            return "openvino is not installed; `make bench-engine` does it where it can be had"
    if peer_name == COMPILED and not compiler():
        return f"torch.compile needs a C++ compiler, and there is none of {', '.join(COMPILERS)}"
    return None


def compiler() -> str | None:
    """Return the compiler that torch would take."""
    return next((found for name in (os.environ.get("CXX"), *COMPILERS) if name and (found := shutil.which(name))), None)
