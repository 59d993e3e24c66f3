"""Say which layers of the decoders' confinement this machine lacks: in the log at the start, and to callers with a key.

A layer is missing, too, when it can be entered and then stops nothing: `api.decoder_sandbox` tries each one.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from functools import lru_cache

from api import decoder_sandbox
from api.melody import child_environment

log = logging.getLogger(__name__)

TIMEOUT_S = 30.0
ONLY_FOR_ROOT = {"uid"}  # a server that is not root needs no other user to be rid of root's powers


@lru_cache(maxsize=1)
def missing_layers() -> dict[str, str]:
    """Which layers are missing, and why. Tried once in each server process, in a process like a decoder's (50 ms)."""
    command = [sys.executable, "-I", str(decoder_sandbox.__file__)]
    try:
        done = subprocess.run(
            command, env=child_environment(), cwd="/", capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
        return {str(layer): str(reason) for layer, reason in json.loads(done.stdout).items()}
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return dict.fromkeys(decoder_sandbox.LAYERS, f"unknown: it could not be tried ({type(error).__name__})")


def log_missing_layers() -> None:
    """One line, and a warning only where something is missing that this server could have."""
    missing = missing_layers()
    listed = "; ".join(f"{layer} ({reason})" for layer, reason in missing.items()) or "none"
    level = logging.WARNING if missing.keys() - ONLY_FOR_ROOT else logging.INFO
    log.log(level, "upload decoders are confined; missing layers: %s. docs/decoders.md says what is left", listed)
