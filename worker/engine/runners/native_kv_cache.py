"""Keep keys and values in pages of 64 positions, as the kernels read them (`NativeKvCache`)."""

from __future__ import annotations

from collections.abc import Sequence as Ordered

import torch

from worker.engine.core.types import Precision
from worker.engine.native.structures import LayerWeights

PAGE = 64  # positions, as in step.h
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}
PADDING = 16  # values of a position fill whole vectors


class NativeKvCache:
    """Own the pages of all layers. Memory is taken from the system when a page is first written.

    Keys lie [pages, heads, head_dim, PAGE], values [pages, heads, PAGE, padded_dim]; in int8 each position of each head
    has a scale beside it. Nothing is cleared: what lies beyond a row's length is never read.
    """

    def __init__(self, layers: int, heads: int, head_dim: int, pages: int, precision: Precision) -> None:
        self.precision = precision
        self.padded_dim = padded(head_dim)
        self._free_pages = list(range(pages - 1, -1, -1))
        dtype = DTYPES[precision]
        tiles = pages, heads
        self._keys = [torch.empty(*tiles, head_dim, PAGE, dtype=dtype) for _ in range(layers)]
        self._values = [torch.empty(*tiles, PAGE, self.padded_dim, dtype=dtype) for _ in range(layers)]
        scaled = layers if precision == "int8" else 0
        self._scales = [torch.empty(2, *tiles, PAGE) for _ in range(scaled)]

    @staticmethod
    def bytes_for(layers: int, heads: int, head_dim: int, precision: Precision) -> int:
        """Return the bytes of a page: layers x heads x positions x (keys, values and their scales)."""
        scales = 2 * 4 if precision == "int8" else 0
        return layers * heads * PAGE * ((head_dim + padded(head_dim)) * DTYPES[precision].itemsize + scales)

    def allocate(self, count: int) -> list[int]:
        """Allocate so many pages. Raises MemoryError when fewer are free."""
        if count > len(self._free_pages):
            raise MemoryError(f"{count} pages wanted, {len(self._free_pages)} free")
        return [self._free_pages.pop() for _ in range(count)]

    def free(self, pages: Ordered[int]) -> None:
        """Return pages to the free list."""
        self._free_pages.extend(pages)

    def describe_cache(self, layer: int, weights: LayerWeights) -> None:
        """Tell a layer's description where its keys and values lie."""
        weights.keys, weights.values = self._keys[layer].data_ptr(), self._values[layer].data_ptr()
        if self._scales:
            weights.key_scales, weights.value_scales = (half.data_ptr() for half in self._scales[layer])


def padded(head_dim: int) -> int:
    """Return the room of one position's values."""
    return -(-head_dim // PADDING) * PADDING
