"""Run a step's transformer by torch, where no kernels in C were compiled (`TorchStepper`).

With `exact`, every step has the same number of rows (padded with zeros): torch's matrix kernels differ with the number
of rows, and a row's result does not depend on which row it is or on what the others hold.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from worker.engine.core.types import Precision
from worker.engine.model import gemv_kernels
from worker.engine.model.decoder import Decoder
from worker.engine.model.linear import FEW_ROWS
from worker.engine.runners.cpu_batch import CpuBatch, KvAllocation
from worker.engine.runners.paged_kv_cache import PAGE, Int8KvCache, PagedKvCache, PageTable
from worker.engine.runners.sequence import Sequence


class TorchStepper:
    """Hold a decoder's cache, and the page tables of the batch that is stepped."""

    def __init__(self, decoder: Decoder, slots: int, pages: int, exact: bool) -> None:
        self._decoder = decoder
        kind = Int8KvCache if decoder.precision == "int8" else PagedKvCache
        shape = len(decoder.layers), decoder.heads, decoder.head_dim
        self.cache = kind(*shape, pages)
        self.kv_precision: Precision = self.cache.kv_precision
        self.bytes_per_page = kind.bytes_for(*shape)
        self._fixed_rows = 2 * slots if exact else 0
        self._few_rows = FEW_ROWS.get(decoder.precision, 0)
        self._threads = torch.get_num_threads()
        self._batch: CpuBatch | None = None
        self._allocations: Mapping[Sequence, KvAllocation] = {}
        self._table: tuple[list[int], PageTable] | None = None  # for so many pages a row
        # rows that cross-attend, their pages, the mask
        self._text: tuple[torch.Tensor, PageTable, torch.Tensor] | None = None

    def begin_thread(self) -> None:
        """Give the products of few rows all threads, and torch too for a prefill."""
        gemv_kernels.use_threads(self._threads)
        self._set_threads(self._threads)

    def store(self, layer: int, halves: tuple[list[int], ...], kv: torch.Tensor) -> None:
        """Write keys and values from the first position on. kv [halves, heads, 2, positions, head_dim]"""
        positions = torch.arange(kv.shape[3])
        pages = torch.cat([torch.tensor(own)[positions // PAGE] for own in halves])
        rows = kv.permute(0, 3, 2, 1, 4).flatten(0, 1)  # [halves * positions, 2, heads, head_dim]
        self.cache.put(layer, pages, (positions % PAGE).repeat(len(halves)), rows)

    def set_batch(self, batch: CpuBatch, allocations: Mapping[Sequence, KvAllocation]) -> None:
        """Take the rows that are stepped from now on, and build the table of the text's pages."""
        self._batch, self._allocations, self._table = batch, allocations, None
        self._text = self._text_of(batch)

    def forward(self, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Run all layers. x [rows, dim], positions [rows] before this step -> logits [rows, codebooks, card]"""
        assert self._batch is not None
        decoder, batch, rows = self._decoder, self._batch, len(x)
        x = self._pad_rows(x)
        self._set_threads(1 if len(x) <= self._few_rows else self._threads)
        table = self._table_of(batch, positions)
        mask = table.mask(positions + 1, decoder.heads)
        offsets = positions % PAGE

        def attend(layer: int, qkv: torch.Tensor) -> torch.Tensor:
            self.cache.put(layer, table.last_page, offsets, qkv[:rows, 1:])
            return self._pad_attention(self.cache.attend(layer, qkv[:rows, 0], table, mask), len(x))

        def cross_attend(layer: int, queries: torch.Tensor) -> torch.Tensor:
            assert self._text is not None
            text_rows, text, text_mask = self._text
            if len(text_rows) == len(queries):
                return self.cache.attend(layer, queries, text, text_mask).view(len(queries), decoder.dim)
            seen = self.cache.attend(layer, queries[text_rows], text, text_mask)
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
        flat = out.view(len(out), self._decoder.dim)
        return flat if rows == len(flat) else torch.cat([flat, flat.new_zeros(rows - len(flat), flat.shape[1])])

    def _table_of(self, batch: CpuBatch, positions: torch.Tensor) -> PageTable:
        """Return the rows' page table, rebuilt when a row begins another page."""
        counts = [position // PAGE + 1 for position in positions.tolist()]
        if self._table is None or self._table[0] != counts:
            pages = [self._allocations[batch.sequences[index]].halves[half] for index, half in batch.rows]
            used = [own[:count] for own, count in zip(pages, counts, strict=True)]
            self._table = counts, PageTable.of(used, self._decoder.heads, self._decoder.head_dim)
        return self._table[1]

    def _text_of(self, batch: CpuBatch) -> tuple[torch.Tensor, PageTable, torch.Tensor] | None:
        """Return the rows that cross-attend, their page table and mask: conditional rows come first, one a sequence."""
        conditional = enumerate(batch.rows[: batch.conditional])
        found = [(row, self._allocations[batch.sequences[index]]) for row, (index, _) in conditional]
        found = [(row, allocation) for row, allocation in found if allocation.text]
        if not found:
            return None
        table = PageTable.of([allocation.text for _, allocation in found], self._decoder.heads, self._decoder.head_dim)
        lengths = torch.tensor([allocation.source for _, allocation in found])
        return torch.tensor([row for row, _ in found]), table, table.mask(lengths, self._decoder.heads)

    def _pad_rows(self, x: torch.Tensor) -> torch.Tensor:
        missing = self._fixed_rows - len(x)
        return x if missing <= 0 else torch.cat([x, x.new_zeros(missing, x.shape[1])])
