"""Describe what a worker asks of an engine (`Engine`), whichever one makes the music."""

from __future__ import annotations

from typing import Protocol

from worker.engine.core.handle import Handle
from worker.engine.core.types import EngineInfo, EngineRequest, OnProgress


class Engine(Protocol):
    """Decode requests: `submit` returns a handle at once."""

    @property
    def slots(self) -> int:
        """Return how many requests it can decode at once."""
        ...

    @property
    def info(self) -> EngineInfo:
        """Return what the engine is and can do."""
        ...

    @property
    def alive(self) -> bool:
        """Tell whether it can still decode. What dies stays dead: only a new process helps."""
        ...

    def warm_up(self, progress: OnProgress) -> None:
        """Do what the first requests would otherwise wait for. Call before any `submit`."""
        ...

    def check(self) -> tuple[str, ...]:
        """Compare with audiocraft's own results, if that is due, and say what was found. Raises SelfCheckFailed."""
        ...

    def submit(self, request: EngineRequest) -> Handle:
        """Queue a request. Raises InvalidRequest or InvalidMelody for one that the model cannot serve."""
        ...

    def close(self) -> None:
        """Cancel what waits and what runs, and stop the engine's threads."""
        ...
