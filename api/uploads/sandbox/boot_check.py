"""Say which layers of the decoders' confinement this machine lacks: in the log at the start, and to callers with a key.

A layer is missing, too, when it can be entered and then stops nothing, or stops everything, as a filter of system calls
does under an emulator of another processor: `api.uploads.sandbox.confinement` tries each one.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from functools import lru_cache

from api.uploads.sandbox import confinement

log = logging.getLogger(__name__)

TIMEOUT_S = 30.0
UNKNOWN = "unknown: it could not be tried"
ONLY_FOR_ROOT = {"uid"}  # a server that is not root needs no other user to be rid of root's powers


def decoder_environment() -> dict[str, str]:
    """Return an environment with nothing of the server's: no storage keys, no broker address."""
    environment = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # a thread's stack counts as memory
    if library_path := os.environ.get("LD_LIBRARY_PATH"):  # some builds of Python do not start without it
        environment["LD_LIBRARY_PATH"] = library_path
    return environment


def usable_layers() -> list[str]:
    """Return the layers that a decoder is to enter: all that are not known to be missing."""
    missing = _tried()
    return [layer for layer in confinement.LAYERS if layer not in (missing or {})]


def missing_layers() -> dict[str, str]:
    """Return which layers are missing, and why."""
    missing = _tried()
    return dict.fromkeys(confinement.LAYERS, UNKNOWN) if missing is None else missing


@lru_cache(maxsize=1)
def _tried() -> dict[str, str] | None:
    """Try the layers once in each server process, in a process like a decoder's (50 ms).

    Returns None when that failed.
    """
    command = [sys.executable, "-I", str(confinement.__file__)]
    try:
        done = subprocess.run(
            command, env=decoder_environment(), cwd="/", capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
        return {str(layer): str(reason) for layer, reason in json.loads(done.stdout).items()}
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        log.warning("which layers confine an upload's decoder could not be tried: %s", error)
        return None


def log_missing_layers() -> None:
    """Log one line, and a warning only where something is missing that this server could have."""
    missing = missing_layers()
    listed = "; ".join(f"{layer} ({reason})" for layer, reason in missing.items()) or "none"
    level = logging.WARNING if missing.keys() - ONLY_FOR_ROOT else logging.INFO
    log.log(level, "upload decoders are confined; missing layers: %s. docs/decoders.md says what is left", listed)
