"""Run decode steps on the CPU: one batched step for all sequences, keys and values in a paged cache (`CpuRunner`).

Rows of a step are all conditional halves, then all null halves. With `exact`, every step has the same number of rows
(padded with zeros): matrix kernels differ with the number of rows, and a row's result does not depend on which row it
is or on what the others hold. Prefill runs one sequence alone, attention keeps rows apart (paged_kv_cache.py); so a
sequence's codes do not depend on the rest of the batch at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from worker.engine.core.types import OnProgress, Precision
from worker.engine.model import gemv_kernels
from worker.engine.model.conditioning import Conditions
from worker.engine.model.decoder import Decoder
from worker.engine.model.linear import FEW_ROWS
from worker.engine.model.memory import Capacity
from worker.engine.model.sampler import sample
from worker.engine.runners.base import Outcome
from worker.engine.runners.cpu_batch import CpuBatch, KvAllocation
from worker.engine.runners.cross_kv import CrossKv
from worker.engine.runners.paged_kv_cache import PAGE, Int8KvCache, PagedKvCache, PageTable, pages_for
from worker.engine.runners.prefill import prefill
from worker.engine.runners.sequence import Sequence


class CpuRunner:
    """Step the sequences of one model synchronously: every outcome is back when `step` returns."""

    def __init__(self, decoder: Decoder, capacity: Capacity, slots: int, exact: bool = False) -> None:
        self.decoder = decoder
        self.slots = slots
        kind = Int8KvCache if decoder.precision == "int8" else PagedKvCache
        pages = 2 * pages_for(capacity.positions) + pages_for(capacity.text)
        shape = len(decoder.layers), decoder.heads, decoder.head_dim
        self._cache = kind(*shape, slots * pages)
        self.bytes_per_slot = pages * kind.bytes_for(*shape)  # at most: a sequence takes as many pages as it fills
        self._fixed_rows = 2 * slots if exact else 0
        self._few_rows = FEW_ROWS.get(decoder.precision, 0)
        self._threads = torch.get_num_threads()
        self._batch: CpuBatch | None = None
        self._allocations: dict[Sequence, KvAllocation] = {}
        self._table: tuple[list[int], PageTable] | None = None  # for so many pages a row
        # rows that cross-attend, their pages, the mask
        self._text: tuple[torch.Tensor, PageTable, torch.Tensor] | None = None

    @property
    def kv_precision(self) -> Precision:
        return self._cache.kv_precision

    @property
    def active(self) -> int:
        return len(self._allocations)

    @contextmanager
    def context(self) -> Iterator[None]:
        gemv_kernels.use_threads(self._threads)
        yield

    def warm_up(self, progress: OnProgress) -> None:
        """Do nothing: no kernel is compiled and no graph captured here."""

    def release(self, sequence: Sequence) -> None:
        if allocation := self._allocations.pop(sequence, None):
            self._cache.free(allocation.pages)
        self._batch = None

    def prefill(self, sequence: Sequence, conditions: Conditions) -> None:
        """Allocate the window's pages, and fill them with the prefix and all given steps but the last."""
        self.release(sequence)  # the last window's pages go before the next one's come
        self._set_threads(self._threads)
        decoder = self.decoder
        prefix, source = conditions.prefix.to(decoder.dtype), conditions.cross  # [halves, prefix, dim], [source, dim]
        positions, text = prefix.shape[1] + sequence.window_steps, 0 if source is None else len(source)
        allocation = self._allocate(len(prefix), positions, text)
        try:
            cross = None if source is None else self._store_text(allocation, source)
            known = sequence.tokens[:, : sequence.step].T

            def store(layer: int, keys: torch.Tensor, values: torch.Tensor) -> None:
                self._store_all(layer, allocation.halves, torch.stack([keys, values], dim=2))

            prefill(decoder, prefix, known, cross, store)
        except BaseException:
            self._cache.free(allocation.pages)
            raise
        sequence.prefix_length = prefix.shape[1]
        self._allocations[sequence] = allocation

    def step(self, sequences: Iterable[Sequence]) -> list[Outcome]:
        batch = self._batch_of(tuple(sequences))
        logits = self._forward(batch)  # [rows, codebooks, card]
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
        rows = len(x)
        x = self._pad_rows(x)
        self._set_threads(1 if len(x) <= self._few_rows else self._threads)
        own = positions[batch.row_of]  # [rows]
        table = self._table_of(batch, own)
        mask = table.mask(own + 1, decoder.heads)
        offsets = own % PAGE

        def attend(layer: int, qkv: torch.Tensor) -> torch.Tensor:
            self._cache.put(layer, table.last_page, offsets, qkv[:rows, 1:])
            return self._pad_attention(self._cache.attend(layer, qkv[:rows, 0], table, mask), len(x))

        def cross_attend(layer: int, queries: torch.Tensor) -> torch.Tensor:
            assert self._text is not None
            text_rows, text, text_mask = self._text
            if len(text_rows) == len(queries):
                return self._cache.attend(layer, queries, text, text_mask).view(len(queries), decoder.dim)
            seen = self._cache.attend(layer, queries[text_rows], text, text_mask)
            return queries.new_zeros(queries.shape).index_copy_(0, text_rows, seen).view(len(queries), decoder.dim)

        # exact: a fixed number of rows cross-attends too; null and padding rows attend to nothing
        cross_rows = len(x) if self._fixed_rows else batch.conditional
        x = decoder.layers_forward(x, attend, cross_attend, slice(0, cross_rows) if self._text is not None else None)
        return decoder.logits(x)[:rows]

    @staticmethod
    def _set_threads(threads: int) -> None:
        """Set torch's threads: one for few rows, whose products have threads of their own, and all for many rows."""
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)

    def _pad_attention(self, out: torch.Tensor, rows: int) -> torch.Tensor:
        """Flatten heads and pad with zero rows. [used rows, heads, head_dim] -> [rows, dim]"""
        flat = out.view(len(out), self.decoder.dim)
        return flat if rows == len(flat) else torch.cat([flat, flat.new_zeros(rows - len(flat), flat.shape[1])])

    def _allocate(self, halves: int, positions: int, source: int) -> KvAllocation:
        each, text = pages_for(positions), pages_for(source)
        pages = self._cache.allocate(halves * each + text)
        own = tuple(pages[half * each : (half + 1) * each] for half in range(halves))
        return KvAllocation(own, pages[halves * each :], source)

    def _store_text(self, allocation: KvAllocation, source: torch.Tensor) -> CrossKv:
        """Compute the text's keys and values, write them to its pages, and return them for the prefill."""
        keys, values = self.decoder.cross_keys_values(source)  # [layers, 1, heads, source, head_dim] each
        for layer in range(len(keys)):
            self._store_all(layer, (allocation.text,), torch.stack([keys[layer], values[layer]], dim=2))
        return CrossKv(keys, values)

    def _store_all(self, layer: int, halves: tuple[list[int], ...], kv: torch.Tensor) -> None:
        """Write keys and values from the first position on. kv [halves, heads, 2, positions, head_dim]"""
        positions = torch.arange(kv.shape[3])
        pages = torch.cat([torch.tensor(own)[positions // PAGE] for own in halves])
        rows = kv.permute(0, 3, 2, 1, 4).flatten(0, 1)  # [halves * positions, 2, heads, head_dim]
        self._cache.put(layer, pages, (positions % PAGE).repeat(len(halves)), rows)

    def _table_of(self, batch: CpuBatch, positions: torch.Tensor) -> PageTable:
        """Return the rows' page table, rebuilt when a row begins another page."""
        counts = [position // PAGE + 1 for position in positions.tolist()]
        if self._table is None or self._table[0] != counts:
            pages = [self._allocations[batch.sequences[index]].halves[half] for index, half in batch.rows]
            used = [own[:count] for own, count in zip(pages, counts, strict=True)]
            self._table = counts, PageTable.of(used, self.decoder.heads, self.decoder.head_dim)
        return self._table[1]

    def _text_of(self, batch: CpuBatch) -> tuple[torch.Tensor, PageTable, torch.Tensor] | None:
        """Return the rows that cross-attend, their page table and mask: conditional rows come first, one a sequence."""
        conditional = enumerate(batch.rows[: batch.conditional])
        found = [(row, self._allocations[batch.sequences[index]]) for row, (index, _) in conditional]
        found = [(row, allocation) for row, allocation in found if allocation.text]
        if not found:
            return None
        table = PageTable.of([allocation.text for _, allocation in found], self.decoder.heads, self.decoder.head_dim)
        lengths = torch.tensor([allocation.source for _, allocation in found])
        return torch.tensor([row for row, _ in found]), table, table.mask(lengths, self.decoder.heads)

    def _pad_rows(self, x: torch.Tensor) -> torch.Tensor:
        missing = self._fixed_rows - len(x)
        return x if missing <= 0 else torch.cat([x, x.new_zeros(missing, x.shape[1])])

    def _batch_of(self, sequences: tuple[Sequence, ...]) -> CpuBatch:
        if self._batch is None or self._batch.sequences != sequences:
            self._batch = CpuBatch.of(sequences)
            self._table = None
            self._text = self._text_of(self._batch)
        return self._batch
