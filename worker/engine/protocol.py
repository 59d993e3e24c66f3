"""The seam: what a worker asks of whatever makes the music. Knows no job, and no engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from worker.engine.core.handle import Handle
from worker.engine.core.types import EngineRequest

if TYPE_CHECKING:
    from worker.engine.model.info import (
        EngineInfo,  # imports audiocraft, which must not happen before its caches are set
    )


class Engine(Protocol):
    @property
    def slots(self) -> int:
        """Return how many requests it can decode at once."""
        ...

    @property
    def info(self) -> EngineInfo: ...

    @property
    def alive(self) -> bool:
        """Whether it can still make music. What dies stays dead: only a new process helps."""
        ...

    def warm_up(self, progress: Callable[[int, int], None]) -> None:
        """Pay the first pieces' extra cost, before any `submit`."""
        ...

    def submit(self, piece: EngineRequest) -> Handle: ...

    def close(self) -> None: ...
