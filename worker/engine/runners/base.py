"""Describe what the scheduler asks of a runner, which decodes sequences step by step (`Runner`). There are two:

* `CpuRunner` (cpu_runner.py): a paged KV cache, pages allocated when a sequence's window begins; attention over the
  pages of all sequences in one call. For the CPU.
* `CudaRunner` (cuda_runner.py): a static KV cache for a fixed number of slots, the complete step one CUDA graph. For a
  GPU; without graphs it runs on a CPU too, where it is tested.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

import torch

from worker.engine.core.types import OnProgress, Precision
from worker.engine.model.conditioning import Conditions
from worker.engine.runners.sequence import Sequence

Outcome = tuple[Sequence, bool]  # a sequence whose step has come back, and whether its logits were numbers


class Runner(Protocol):
    """Decode sequences in slots. Only the decode thread calls it, inside `context()`."""

    slots: int  # the most sequences at once
    bytes_per_slot: int

    @property
    def name(self) -> str:
        """Return how it runs a step: by `graphs`, by `native` kernels, or `eager`."""

    @property
    def kernels_name(self) -> str:
        """Return what multiplies and attends: a CPU's kernels by name, or `torch`, on a GPU maybe with `triton`."""

    @property
    def kv_precision(self) -> Precision:
        """Return the precision of the KV cache, which figures name beside the model's."""

    @property
    def active(self) -> int:
        """Return how many sequences hold cache memory now."""

    def context(self) -> AbstractContextManager[None]:
        """Return the context (CUDA stream, threads) that the decode thread works under."""

    def prefill(self, sequence: Sequence, conditions: Conditions) -> None:
        """Begin the window that the sequence has laid out: allocate its cache, and fill it with what is given.

        `conditions` are those of the sequence's own halves, as `Sequence.next_window` returns them.
        Raises when there is no memory, or what the request's own data raise; the sequence then holds no cache memory,
        and may be tried again.
        """

    def step(self, sequences: Iterable[Sequence]) -> list[Outcome]:
        """Run one decode step for all of these that have steps left; return the outcomes that are back by now.

        A sequence's tokens, `step` and `decoded` change only when its outcome comes back, perhaps a few calls later. A
        call that raises has advanced no sequence, and may be tried again with fewer of them.
        """

    def observe(self, sequence: Sequence) -> torch.Tensor:
        """Run one decode step of one sequence, alone here, and return its logits. -> [halves, codebooks, card]"""

    def plainly(self) -> AbstractContextManager[Runner | None]:
        """Give what runs the same steps in their plainest form, to compare with; None where this runner does."""

    def release(self, sequence: Sequence) -> None:
        """Free the cache memory of a sequence that leaves. Does nothing for one that has none."""

    def warm_up(self, progress: OnProgress) -> None:
        """Compile or capture now what the first requests would otherwise wait for."""
