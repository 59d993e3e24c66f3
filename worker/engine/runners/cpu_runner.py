"""Run decode steps on the CPU: one batched step for all sequences, keys and values in a paged cache (`CpuRunner`).

Rows of a step are all conditional halves, then all null halves. Prefill runs one sequence alone, attention keeps rows
apart, and what multiplies (`Stepper`) gives a row the same result in any company: always by the kernels in C but for
int8's classes of rows, with `exact` by torch too. So a sequence's codes do not depend on the rest of the batch at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as Ordered
from contextlib import contextmanager
from typing import Protocol

import torch

from worker.engine.core.types import OnProgress, Precision
from worker.engine.model.conditioning import Conditions
from worker.engine.model.decoder import Decoder
from worker.engine.model.memory import Capacity
from worker.engine.model.sampler import sample
from worker.engine.runners.base import Outcome
from worker.engine.runners.cpu_batch import CpuBatch, KvAllocation
from worker.engine.runners.cross_kv import CrossKv
from worker.engine.runners.native_stepper import NativeStepper
from worker.engine.runners.paged_kv_cache import pages_for
from worker.engine.runners.prefill import prefill
from worker.engine.runners.sequence import Sequence
from worker.engine.runners.torch_stepper import TorchStepper


class Pages(Protocol):
    """Hand out a cache's pages of 64 positions."""

    def allocate(self, count: int) -> list[int]:
        """Allocate so many pages. Raises MemoryError when fewer are free."""

    def free(self, pages: Ordered[int]) -> None:
        """Return pages to the free list."""


class Stepper(Protocol):
    """Run the transformer over a step's rows, and own the cache that they attend to."""

    kv_precision: Precision
    bytes_per_page: int

    @property
    def cache(self) -> Pages:
        """Return the cache, for its pages."""

    def begin_thread(self) -> None:
        """Set up the decode thread, before a prefill too."""

    def store(self, layer: int, halves: tuple[list[int], ...], kv: torch.Tensor) -> None:
        """Write keys and values from the first position on. kv [halves, heads, 2, positions, head_dim]"""

    def set_batch(self, batch: CpuBatch, allocations: Mapping[Sequence, KvAllocation]) -> None:
        """Take the rows that are stepped from now on."""

    def forward(self, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Run all layers. x [rows, dim], positions [rows] before this step -> logits [rows, codebooks, card]"""


class CpuRunner:
    """Step the sequences of one model synchronously: every outcome is back when `step` returns."""

    def __init__(
        self, decoder: Decoder, capacity: Capacity, slots: int, exact: bool = False, by_torch: bool = False
    ) -> None:
        """Make a runner; `by_torch`: whatever its weights are packed for, torch runs all between the products."""
        self.decoder = decoder
        self.slots = slots
        self._capacity = capacity
        pages = 2 * pages_for(capacity.positions) + pages_for(capacity.text)  # a slot, at most
        self.stepper: Stepper
        if decoder.kernels is not None and not by_torch:
            self.stepper = NativeStepper(decoder, decoder.kernels, capacity, slots, slots * pages, exact)
        else:
            self.stepper = TorchStepper(decoder, slots, slots * pages, exact)
        self.bytes_per_slot = pages * self.stepper.bytes_per_page  # a sequence takes as many pages as it fills
        self._batch: CpuBatch | None = None
        self._allocations: dict[Sequence, KvAllocation] = {}

    @property
    def name(self) -> str:
        return "native" if isinstance(self.stepper, NativeStepper) else "eager"

    @property
    def kernels_name(self) -> str:
        return "torch" if self.decoder.kernels is None else self.decoder.kernels.name

    @property
    def kv_precision(self) -> Precision:
        return self.stepper.kv_precision

    @property
    def active(self) -> int:
        return len(self._allocations)

    @contextmanager
    def context(self) -> Iterator[None]:
        self.stepper.begin_thread()
        yield

    def warm_up(self, progress: OnProgress) -> None:
        """Do nothing: no graph is captured here."""

    def release(self, sequence: Sequence) -> None:
        if allocation := self._allocations.pop(sequence, None):
            self.stepper.cache.free(allocation.pages)
        self._batch = None

    def prefill(self, sequence: Sequence, conditions: Conditions) -> None:
        """Allocate the window's pages, and fill them with the prefix and all given steps but the last."""
        self.release(sequence)  # the last window's pages go before the next one's come
        self.stepper.begin_thread()
        decoder = self.decoder
        prefix, source = conditions.prefix.float(), conditions.cross  # [halves, prefix, dim], [source, dim]
        positions, text = prefix.shape[1] + sequence.window_steps, 0 if source is None else len(source)
        allocation = self._allocate(len(prefix), positions, text)
        try:
            cross = None if source is None else self._store_text(allocation, source)
            known = sequence.tokens[:, : sequence.step].T

            def store(layer: int, keys: torch.Tensor, values: torch.Tensor) -> None:
                self.stepper.store(layer, allocation.halves, torch.stack([keys, values], dim=2))

            prefill(decoder, prefix, known, cross, store)
        except BaseException:
            self.stepper.cache.free(allocation.pages)
            raise
        sequence.prefix_length = prefix.shape[1]
        self._allocations[sequence] = allocation

    def step(self, sequences: Iterable[Sequence]) -> list[Outcome]:
        batch = self._batch_of(tuple(sequences))
        return self._advance(batch, self._forward(batch))

    def observe(self, sequence: Sequence) -> torch.Tensor:
        batch = self._batch_of((sequence,))
        logits = self._forward(batch)
        self._advance(batch, logits)
        return logits

    @contextmanager
    def plainly(self) -> Iterator[CpuRunner | None]:
        native = isinstance(self.stepper, NativeStepper)
        yield CpuRunner(self.decoder, self._capacity, 1, by_torch=True) if native else None

    def _advance(self, batch: CpuBatch, logits: torch.Tensor) -> list[Outcome]:
        """Sample each sequence's next tokens from its logits. [rows, codebooks, card]"""
        cond, null = logits[batch.cond_row], logits[batch.null_row]
        guided = null + (cond - null) * batch.guidance  # [sequences, codebooks, card]
        noise_steps = torch.tensor([s.decoded for s in batch.sequences])
        tokens = sample(guided, noise_steps, batch.parameters)
        finite = guided.isfinite().flatten(1).all(dim=1).tolist()  # [sequences]
        for sequence, new in zip(batch.sequences, tokens, strict=True):
            column = sequence.tokens[:, sequence.step + 1]
            torch.where(column < 0, new, column, out=column)
            sequence.step += 1
            sequence.decoded += 1
        return list(zip(batch.sequences, finite, strict=True))

    def _forward(self, batch: CpuBatch) -> torch.Tensor:
        decoder, sequences = self.decoder, batch.sequences
        tokens = torch.stack([s.tokens[:, s.step] for s in sequences])  # [sequences, codebooks]
        positions = torch.tensor([s.prefix_length + s.step for s in sequences])
        x = (decoder.embed(tokens) + decoder.positions(positions))[batch.row_of]  # [rows, dim]
        return self.stepper.forward(x, positions[batch.row_of])

    def _allocate(self, halves: int, positions: int, source: int) -> KvAllocation:
        each, text = pages_for(positions), pages_for(source)
        pages = self.stepper.cache.allocate(halves * each + text)
        own = tuple(pages[half * each : (half + 1) * each] for half in range(halves))
        return KvAllocation(own, pages[halves * each :], source)

    def _store_text(self, allocation: KvAllocation, source: torch.Tensor) -> CrossKv:
        """Compute the text's keys and values, write them to its pages, and return them for the prefill."""
        keys, values = self.decoder.cross_keys_values(source)  # [layers, 1, heads, source, head_dim] each
        for layer in range(len(keys)):
            self.stepper.store(layer, (allocation.text,), torch.stack([keys[layer], values[layer]], dim=2))
        return CrossKv(keys, values)

    def _batch_of(self, sequences: tuple[Sequence, ...]) -> CpuBatch:
        if self._batch is None or self._batch.sequences != sequences:
            self._batch = CpuBatch.of(sequences)
            self.stepper.set_batch(self._batch, self._allocations)
        return self._batch
