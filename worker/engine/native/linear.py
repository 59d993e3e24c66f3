"""Multiply rows with a weight that is packed for the kernels of this CPU (`NativeLinear`)."""

from __future__ import annotations

import ctypes
import mmap

import torch

from worker.engine.core.types import Precision
from worker.engine.native.loader import Kernels
from worker.engine.native.structures import INPUTS_IN_A_WORD, KINDS, Matrix, Product

FLOAT_ROWS = 4  # int8: up to so many rows keep float32 activations, more get 8 bits
LARGE_PAGE = 2 << 20


class Arena:
    """Hand out memory that starts on a cache line, from blocks that the system may back with large pages."""

    BLOCK = 64 << 20

    def __init__(self) -> None:
        self._block: mmap.mmap | None = None
        self._used = 0

    def take(self, size: int) -> torch.Tensor:
        """Return so many bytes, not cleared. [size] uint8"""
        size = -(-size // 64) * 64
        if self._block is None or self._used + size > len(self._block):
            self._block = mmap.mmap(-1, max(self.BLOCK, -(-size // LARGE_PAGE) * LARGE_PAGE))
            if hasattr(mmap, "MADV_HUGEPAGE"):
                self._block.madvise(mmap.MADV_HUGEPAGE)
            self._used = 0
        taken = torch.frombuffer(self._block, dtype=torch.uint8, count=size, offset=self._used)
        self._used += size
        return taken


class NativeLinear:
    """Multiply rows with a packed weight [outputs, inputs]; the weight as it was given is not kept.

    A row's result does not depend on the number of rows, but that in int8 more than `FLOAT_ROWS` rows have their
    activations in 8 bits, a scale each, where the CPU multiplies bytes.
    """

    def __init__(
        self, kernels: Kernels, weight: torch.Tensor, bias: torch.Tensor | None, precision: Precision, arena: Arena
    ) -> None:
        weight = weight.detach().float().contiguous()
        self.outputs, self.inputs = weight.shape
        self.precision, self.kernels = precision, kernels
        padded = -(-self.outputs // kernels.group) * kernels.group
        self._scales = torch.zeros(padded)
        if precision == "int8":
            self._scales[: self.outputs] = weight.abs().amax(dim=1).clamp_(min=1e-12).div_(127)
        self._sums = torch.zeros(padded, dtype=torch.int32)
        self._bias = None if bias is None else torch.zeros(padded)
        if self._bias is not None and bias is not None:
            self._bias[: self.outputs] = bias.detach().float()
        kind, table = KINDS[precision], kernels.table
        self._packed = arena.take(table.packed_bytes(self.outputs, self.inputs, kind))
        at = self._packed.data_ptr(), self._scales.data_ptr(), self._sums.data_ptr()
        table.pack(weight.data_ptr(), self.outputs, self.inputs, kind, at[1], at[0], at[2])
        bias_at = None if self._bias is None else self._bias.data_ptr()
        self.matrix = Matrix(*at, bias_at, self.outputs, self.inputs, kind)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return x times the weight, plus the bias. [rows, inputs] float32 -> [rows, outputs]"""
        rows, x = len(x), x.float().contiguous()
        y = x.new_empty(rows, self.outputs)
        by_bytes = takes_bytes(self.kernels, self.precision, rows)
        data = torch.empty(rows if by_bytes else 0, self.inputs, dtype=torch.uint8)
        scales = torch.empty(rows)
        pointers = x.data_ptr(), y.data_ptr(), data.data_ptr(), scales.data_ptr()
        self.kernels.product(Product(ctypes.pointer(self.matrix), *pointers, rows, by_bytes))
        return y


def takes_bytes(kernels: Kernels, precision: Precision, rows: int) -> bool:
    """Tell whether so many rows are multiplied with activations of 8 bits."""
    return precision == "int8" and kernels.byte_inputs and rows > FLOAT_ROWS


def has_layout(precision: Precision, *inputs: int) -> bool:
    """Tell whether the kernels have a layout for weights of that precision and so many inputs."""
    words = INPUTS_IN_A_WORD.get(precision)
    return words is not None and all(count % words == 0 for count in inputs)
