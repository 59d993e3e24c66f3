"""Run a step's transformer by the kernels in C: all layers in one call, no Python between them (`NativeStepper`)."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

import torch

from worker.engine.core.types import Precision
from worker.engine.model.decoder import Decoder
from worker.engine.model.memory import Capacity
from worker.engine.native.linear import takes_bytes
from worker.engine.native.loader import Kernels
from worker.engine.native.structures import Span, Step
from worker.engine.runners.cpu_batch import CpuBatch, KvAllocation
from worker.engine.runners.native_kv_cache import PAGE, NativeKvCache
from worker.engine.runners.native_model import described
from worker.engine.runners.sequence import Sequence

KV_PRECISIONS: dict[Precision, Precision] = {"fp32": "fp32", "bf16": "bf16", "int8": "int8"}


class NativeStepper:
    """Hold a decoder's cache, and scratch memory for as many rows as there are slots for.

    A row's result depends on no other row, nor on how many there are; in int8 alone, more than `FLOAT_ROWS` rows have
    their activations in 8 bits. With `exact` it is one of the two at every step.
    """

    def __init__(
        self, decoder: Decoder, kernels: Kernels, capacity: Capacity, slots: int, pages: int, exact: bool
    ) -> None:
        self._kernels, self._decoder, self._exact, rows = kernels, decoder, exact, 2 * slots
        shape = len(decoder.layers), decoder.heads, decoder.head_dim
        self.kv_precision = KV_PRECISIONS[decoder.precision]
        self.cache = NativeKvCache(*shape, pages, self.kv_precision)
        self.bytes_per_page = NativeKvCache.bytes_for(*shape, self.kv_precision)
        self._model = described(decoder, self.cache)
        self._own, self._text = (Span * rows)(), (Span * slots)()
        self._kept: list[torch.Tensor] = []  # page lists that spans point to
        widest = max(decoder.dim, self._model.widened)
        capacity_positions = -(-max(capacity.positions, capacity.text) // PAGE) * PAGE
        self._scratch = {
            "normed": torch.empty(rows, decoder.dim),
            "qkv": torch.empty(rows, 3 * decoder.dim),
            "seen": torch.empty(rows, decoder.dim),
            "hidden": torch.empty(rows, widest),
            "bytes": torch.empty(rows, widest, dtype=torch.uint8),
            "byte_scales": torch.empty(rows),
            "scores": torch.empty(kernels.threads, capacity_positions),
        }
        pointers = {name: tensor.data_ptr() for name, tensor in self._scratch.items()}
        self._step = Step(
            model=ctypes.pointer(self._model),
            own=self._own,
            text=self._text,
            score_capacity=capacity_positions,
            **pointers,
        )
        self._fixed_rows = rows if exact else 0

    def begin_thread(self) -> None:
        """Leave torch one thread in the decode thread: the kernels have a team of their own."""
        torch.set_num_threads(1)

    def store(self, layer: int, halves: tuple[list[int], ...], kv: torch.Tensor) -> None:
        """Write keys and values from the first position on. kv [halves, heads, 2, positions, head_dim]"""
        for pages, half in zip(halves, kv, strict=True):
            rows = half.float().permute(2, 1, 0, 3).contiguous()  # [positions, 2, heads, head_dim]
            listed = torch.tensor(pages, dtype=torch.int32)
            at = listed.data_ptr(), 0, len(rows), rows.data_ptr()
            self._kernels.table.fill(ctypes.byref(self._model), layer, *at)

    def set_batch(self, batch: CpuBatch, allocations: Mapping[Sequence, KvAllocation]) -> None:
        """Point each row to its pages, and those that cross-attend to their text's."""
        self._kept.clear()
        for row, (index, half) in enumerate(batch.rows):
            self._own[row] = self._span(allocations[batch.sequences[index]].halves[half], 0, row)
        texts = [
            (row, allocations[batch.sequences[index]]) for row, (index, _) in enumerate(batch.rows[: batch.conditional])
        ]
        texts = [(row, allocation) for row, allocation in texts if allocation.text]
        for number, (row, allocation) in enumerate(texts):
            self._text[number] = self._span(allocation.text, allocation.source, row)
        self._step.rows, self._step.cross_rows = len(batch.rows), len(texts)
        rows = self._fixed_rows or len(batch.rows)
        self._step.byte_inputs = takes_bytes(self._kernels, self._decoder.precision, rows)

    def _span(self, pages: list[int], length: int, row: int) -> Span:
        listed = torch.tensor(pages, dtype=torch.int32)
        self._kept.append(listed)
        return Span(listed.data_ptr(), length, row)

    def forward(self, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Run all layers. x [rows, dim], positions [rows] before this step -> logits [rows, codebooks, card]"""
        x = x.float().contiguous()
        for row, position in enumerate(positions.tolist()):
            self._own[row].length = position + 1
        logits = x.new_empty(len(x), self._decoder.codebooks, self._decoder.card)
        self._step.x, self._step.logits = x.data_ptr(), logits.data_ptr()
        self._kernels.step(self._step)
        return logits
