"""Read faults that tests inject into a worker's process, to see it step down. No setting: no `.env` file carries it.

`OSTINATO_TEST_FAULTS` is a list of words, separated by commas:

    gpu-ladder    walk a GPU's rungs on this CPU: the capture fails as it does without CUDA
    <rung>:load   that rung cannot be loaded
    <rung>:crash  that rung aborts the process

A worker that has it says so in its log.
"""

from __future__ import annotations

import logging
import os

log = logging.getLogger(__name__)

VARIABLE = "OSTINATO_TEST_FAULTS"
GPU_LADDER = "gpu-ladder"


class InjectedFault(Exception):
    """Say that a test wanted this to fail."""


def is_injected(fault: str) -> bool:
    """Tell whether a test wants this fault."""
    found = fault in os.environ.get(VARIABLE, "").split(",")
    if found:
        log.critical("%s: %s is injected", VARIABLE, fault)
    return found


def inject(fault: str) -> None:
    """Raise InjectedFault where a test wants this fault; a crash aborts the process."""
    if is_injected(fault):
        if fault.endswith(":crash"):
            os.abort()
        raise InjectedFault(f"{VARIABLE} has {fault}")
