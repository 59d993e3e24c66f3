"""`Runner`: what decodes songs step by step, as the engine sees it. Two kinds stand behind it.

* `CpuRunner` (cpu_runner.py): a cache per song, made when the song joins; attention runs song by song. For the CPU.
* `CudaRunner` (cuda_runner.py): one static cache for a fixed number of songs, the whole step one CUDA graph. For a GPU;
  without graphs it runs on a CPU too, where it is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from worker.engine.model.conditioning import Conditions
from worker.engine.model.linear import Precision
from worker.engine.runners.sequence import Sequence

Outcome = tuple[Sequence, bool]  # a song whose step has come back, and whether its logits were numbers
Progress = Callable[[int, int], None]  # (done, total)


class Runner(Protocol):
    """Called by the decode thread alone, inside `context()`."""

    slots: int  # the most songs at once
    bytes_per_slot: int

    @property
    def kv_precision(self) -> Precision:
        """What keys and values are kept in: figures name it beside the precision."""

    @property
    def held(self) -> int:
        """Songs that take up room now."""

    def context(self) -> AbstractContextManager[None]:
        """What the decode thread works under."""

    def prefill(self, sequence: Sequence, conditions: Conditions) -> None:
        """Begin the window that the sequence has laid out; a song that is new gets its room.

        Raises when there is no memory, or what the song's own data raise; the song then has no room, and may try again.
        """

    def step(self, sequences: Iterable[Sequence]) -> list[Outcome]:
        """One decode step for all of these that have steps left, and the outcomes that are back by now.

        A sequence's tokens, `step` and `decoded` change only when its outcome comes back, perhaps a few calls later. A
        call that raises has advanced no song, and may be tried again with fewer of them.
        """

    def release(self, sequence: Sequence) -> None:
        """The song has left: its room is free. Does nothing for one that has none."""

    def warm_up(self, progress: Progress) -> None:
        """Pay now for what would otherwise be paid by the first songs."""
