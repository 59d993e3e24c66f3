"""Choose how a worker decodes, and what comes next when that fails here: a ladder, each rung in a fresh process.

    graphs      on a GPU: the complete step is one CUDA graph
    native      on a CPU: the complete step is one call of the kernels in C (docs/native.md)
    eager       the same step, called operation by operation by torch
    audiocraft  audiocraft's own loop, one request at a time

After a capture that failed, torch's allocator stays in its capture state, and kernels that crashed leave nothing to
trust: so nobody steps down in place. The process executes itself again, with what has failed so far in `VARIABLE`; that
only grows, so it ends. Imports no torch.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NoReturn, get_args

from shared.errors import ConfigurationError, OstinatoError
from shared.settings import Settings

Rung = Literal["graphs", "native", "eager", "audiocraft"]

VARIABLE = "OSTINATO_FAILED_RUNGS"
REASON_LENGTH = 300  # characters: it is shown in /health


class RungFailed(OstinatoError):
    """Say that this machine cannot decode so: the next rung is to be tried in a fresh process, if there is one.

    For a ladder of which nothing was left before, the reason is its own.
    """

    code = "RUNNER_FAILED"

    def __init__(self, ladder: Ladder, reason: str = "") -> None:
        self.ladder = ladder if ladder.rung is None else ladder.without_rung(reason)
        super().__init__(self.ladder.sentence())


@dataclass(frozen=True)
class Ladder:
    """Hold the rungs that may be taken, the fastest first, and why each that was tried did not do."""

    rungs: tuple[Rung, ...]
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def rung(self) -> Rung | None:
        """Return the fastest rung that has not failed."""
        return next((rung for rung in self.rungs if rung not in self.failed), None)

    @property
    def reason(self) -> str | None:
        """Return why the rung is not the first one; None where it is."""
        return "; ".join(f"{rung}: {why}" for rung, why in self.failed.items()) or None

    def without_rung(self, reason: str) -> Ladder:
        """Return the ladder after its rung has failed."""
        assert self.rung is not None
        return Ladder(self.rungs, {**self.failed, self.rung: _shortened(reason)})

    def sentence(self) -> str:
        """Return what happened last, and what comes now."""
        if self.rung is None:
            return f"no way to decode works on this machine ({self.reason}); mend one of these, then start it again"
        last = list(self.failed)[-1]
        return f"RUNNER={last} does not work here ({self.failed[last]}); going on with {self.rung}"


def ladder_for(settings: Settings, device: str, *, kernels: bool) -> Ladder:
    """Return the ladder of that device, with what has failed already. `kernels`: are those in C there, and wanted?

    RUNNER names the only rung. Raises ConfigurationError for one that the device does not have.
    """
    rungs = _rungs(settings, device, kernels)
    if settings.runner != "auto":
        if settings.runner not in rungs:
            raise ConfigurationError(_refusal(settings, device, rungs))
        rungs = (settings.runner,)
    failed = _failed()
    return Ladder(rungs, {rung: failed[rung] for rung in rungs if rung in failed})


def _rungs(settings: Settings, device: str, kernels: bool) -> tuple[Rung, ...]:
    if device == "mps" or settings.engine == "audiocraft":
        return ("audiocraft",)
    own: tuple[Rung, ...] = ("eager",)
    if device == "cuda" and settings.graphs == "auto":
        own = ("graphs", "eager")
    elif device == "cpu" and kernels:
        own = ("native", "eager")
    return own if settings.engine == "ostinato" else (*own, "audiocraft")


def _refusal(settings: Settings, device: str, rungs: tuple[Rung, ...]) -> str:
    chosen = {"GRAPHS": settings.graphs, "ENGINE": settings.engine, "KERNELS": settings.kernels}
    beside = "".join(f", {name}={value}" for name, value in chosen.items() if value != "auto")
    return f"RUNNER={settings.runner} is not to be had on {device}{beside}; set one of: {', '.join(rungs)}, or auto"


def _failed() -> dict[str, str]:
    """Read what failed in the processes before this one."""
    try:
        found = json.loads(os.environ.get(VARIABLE, "{}"))
        return {rung: str(found[rung]) for rung in get_args(Rung) if rung in found}
    except (ValueError, TypeError):
        return {}


def remember(failed: Mapping[str, str]) -> None:
    """Take these rungs as failed in this process, and in those that it becomes."""
    os.environ[VARIABLE] = json.dumps(_failed() | {rung: _shortened(reason) for rung, reason in failed.items()})


def _shortened(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= REASON_LENGTH else f"{line[:REASON_LENGTH]}..."


def execute_again(ladder: Ladder) -> NoReturn:
    """Execute this Celery worker anew, with what has failed. The process keeps its number, and its parent's signal."""
    remember(ladder.failed)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "celery", *sys.argv[1:]])
