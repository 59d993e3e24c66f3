"""Keep the keys and values of all sequences in pages of 64 positions, and attend over them. For the CPU.

A page holds one half of one sequence, all heads and all layers. Attention is a pair of weighted sums of rows a layer:
scores are the rows of transposed keys weighted by the query, the output the rows of values weighted by the softmax.
That is what `embedding_bag` computes, whose kernels read rows of float32 or of 8 bits at memory speed, for all
sequences in one call; a page table is then nothing but the list of rows. A row's sums run over its own pages in their
order, whatever else is in the batch, so a sequence's result does not depend on the others.

In 8 bits (`Int8KvCache`) a position's keys and values are scaled by their largest, each head by itself.
"""

from __future__ import annotations

from collections.abc import Sequence as Ordered
from dataclasses import dataclass

import torch

from worker.engine.core.types import Precision

PAGE = 64  # positions
HEADER_BYTES = 8  # of a row in 8 bits: scale and offset, as the kernel wants them, at its end


def pages_for(positions: int) -> int:
    """Return how many pages hold so many positions."""
    return -(-positions // PAGE)


@dataclass(frozen=True)
class PageTable:
    """List the cache rows that each query reads.

    It stays valid until a query needs another page; how far a page is filled is not in it.
    """

    tiles: torch.Tensor  # [tiles] int64: page * heads + head of every tile, by query row, head, page
    owners: torch.Tensor  # [tiles] int64: row * heads + head whose tile it is
    # [tiles] int64: a tile's index in [row, head, max_pages]; None where all rows have as many pages
    padded_index: torch.Tensor | None
    max_pages: int  # pages of the longest row
    key_rows: torch.Tensor  # [tiles * head_dim] int32
    key_offsets: torch.Tensor  # [tiles] int32
    value_rows: torch.Tensor  # [tiles * PAGE] int32
    value_offsets: torch.Tensor  # [rows * heads] int32
    starts: torch.Tensor  # [tiles] int64: first position of a tile, within its row
    last_page: torch.Tensor  # [rows] int64: the last page of each row

    @classmethod
    def of(cls, pages: Ordered[Ordered[int]], heads: int, head_dim: int) -> PageTable:
        """Build the table from each row's `pages`, those that hold at least one position."""
        counts = [len(own) for own in pages]
        max_pages = max(counts)
        head = torch.arange(heads)
        tiles = torch.cat([(torch.tensor(own)[None] * heads + head[:, None]).flatten() for own in pages])
        repeated = torch.tensor(counts).repeat_interleave(heads)  # [rows * heads]
        owners = torch.arange(len(repeated)).repeat_interleave(repeated)
        ends = repeated.cumsum(0)
        number = torch.arange(len(tiles)) - (ends - repeated)[owners]  # which page of its row
        return cls(
            tiles=tiles,
            owners=owners,
            padded_index=None if min(counts) == max_pages else owners * max_pages + number,
            max_pages=max_pages,
            key_rows=(tiles[:, None] * head_dim + torch.arange(head_dim)).flatten().int(),
            key_offsets=(torch.arange(len(tiles)) * head_dim).int(),
            value_rows=(tiles[:, None] * PAGE + torch.arange(PAGE)).flatten().int(),
            value_offsets=((ends - repeated) * PAGE).int(),
            starts=number * PAGE,
            last_page=torch.tensor([own[-1] for own in pages]),
        )

    def mask(self, lengths: torch.Tensor, heads: int) -> torch.Tensor:
        """Return what to add to scores: 0 within each row's length, -inf beyond. lengths [rows] -> [tiles, PAGE]"""
        left = lengths.repeat_interleave(heads)[self.owners] - self.starts  # [tiles]
        beyond = torch.arange(PAGE) >= left[:, None]
        return torch.zeros(beyond.shape).masked_fill_(beyond, -torch.inf)


class PagedKvCache:
    """Store keys and values in float32. Memory is taken from the system when a page is first used."""

    kv_precision: Precision = "fp32"

    def __init__(self, layers: int, heads: int, head_dim: int, pages: int) -> None:
        self.heads, self.head_dim = heads, head_dim
        self._free_pages = list(range(pages - 1, -1, -1))
        self._keys = self._allocate_rows(layers, (pages, heads, head_dim, PAGE))
        self._values = self._allocate_rows(layers, (pages, heads, PAGE, head_dim))

    @staticmethod
    def bytes_for(layers: int, heads: int, head_dim: int) -> int:
        """Return the bytes of a page: layers x (keys, values) x heads x head_dim x positions x 4."""
        return layers * 2 * heads * head_dim * PAGE * 4

    def allocate(self, count: int) -> list[int]:
        """Allocate so many empty pages. Raises MemoryError when fewer are free."""
        if count > len(self._free_pages):
            raise MemoryError(f"{count} pages wanted, {len(self._free_pages)} free")
        pages = [self._free_pages.pop() for _ in range(count)]
        # what a sequence left there, perhaps not numbers, would be weighted by zero, which is not nothing
        self._clear(torch.tensor(pages, dtype=torch.int64))
        return pages

    def free(self, pages: Ordered[int]) -> None:
        """Return pages to the free list."""
        self._free_pages.extend(pages)

    def put(self, layer: int, pages: torch.Tensor, offsets: torch.Tensor, kv: torch.Tensor) -> None:
        """Write keys and values of one position a row. pages, offsets [rows]; kv [rows, 2, heads, head_dim]"""
        self._keys[layer][pages, :, :, offsets] = kv[:, 0].float()
        self._values[layer][pages, :, offsets] = kv[:, 1].float()

    def attend(self, layer: int, queries: torch.Tensor, table: PageTable, mask: torch.Tensor) -> torch.Tensor:
        """Attend with one query a row over its own positions. queries [rows, heads, head_dim] -> the same."""
        scaled = (queries.float() * self.head_dim**-0.5).view(-1, self.head_dim)
        weights = scaled.index_select(0, table.owners).view(-1)
        scores = self._score(layer, table, weights, mask)  # [tiles, PAGE]
        likeliness = self._softmax(scores, table, len(scaled))
        return self._sum_values(layer, table, likeliness).view(queries.shape).to(queries.dtype)

    @staticmethod
    def _softmax(scores: torch.Tensor, table: PageTable, rows: int) -> torch.Tensor:
        if table.padded_index is None:
            return scores.view(rows, -1).softmax(dim=1).view(-1)
        padded = scores.new_full((rows * table.max_pages, PAGE), -torch.inf)
        padded[table.padded_index] = scores
        return padded.view(rows, -1).softmax(dim=1).view(-1, PAGE).index_select(0, table.padded_index).view(-1)

    def _score(self, layer: int, table: PageTable, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return _weighted_sums(self._keys[layer], table.key_rows, table.key_offsets, weights).add_(mask)

    def _sum_values(self, layer: int, table: PageTable, weights: torch.Tensor) -> torch.Tensor:
        return _weighted_sums(self._values[layer], table.value_rows, table.value_offsets, weights)

    def _clear(self, pages: torch.Tensor) -> None:
        for keys, values in zip(self._keys, self._values, strict=True):
            keys[pages] = 0
            values[pages] = 0

    @staticmethod
    def _allocate_rows(layers: int, shape: tuple[int, ...]) -> list[torch.Tensor]:
        return [torch.empty(shape) for _ in range(layers)]


class Int8KvCache(PagedKvCache):
    """Store keys and values in 8 bits, a quarter of the bytes.

    Transposed keys have the scale of a position beside them, since a row holds many positions.
    """

    kv_precision: Precision = "int8"

    def __init__(self, layers: int, heads: int, head_dim: int, pages: int) -> None:
        super().__init__(layers, heads, head_dim, pages)
        self._scales = [torch.empty(pages, heads, PAGE) for _ in range(layers)]

    @staticmethod
    def bytes_for(layers: int, heads: int, head_dim: int) -> int:
        keys = head_dim * (PAGE + HEADER_BYTES) + 4 * PAGE
        return layers * heads * (keys + PAGE * (head_dim + HEADER_BYTES))

    def put(self, layer: int, pages: torch.Tensor, offsets: torch.Tensor, kv: torch.Tensor) -> None:
        keys, values = kv.float().unbind(1)
        scale = torch.linalg.vector_norm(keys, torch.inf, dim=-1).clamp_(min=1e-12).mul_(1 / 127)  # [rows, heads]
        self._scales[layer][pages, :, offsets] = scale
        self._keys[layer][pages, :, :, offsets] = keys.div(scale[..., None]).add_(128.5).to(torch.uint8)
        packed = torch.ops.quantized.embedding_bag_byte_prepack(values.reshape(-1, self.head_dim))
        self._values[layer][pages, :, offsets] = packed.view(len(values), self.heads, -1)

    def _score(self, layer: int, table: PageTable, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        sums = _weighted_byte_sums(self._keys[layer], table.key_rows, table.key_offsets, weights)
        scales = self._scales[layer].view(-1, PAGE).index_select(0, table.tiles)
        return torch.addcmul(mask, sums, scales, out=sums)

    def _sum_values(self, layer: int, table: PageTable, weights: torch.Tensor) -> torch.Tensor:
        return _weighted_byte_sums(self._values[layer], table.value_rows, table.value_offsets, weights)

    def _clear(self, pages: torch.Tensor) -> None:
        header = torch.tensor([1.0, -128.0]).view(torch.uint8)  # of a row of keys: bytes count from 128
        super()._clear(pages)
        for keys, scales in zip(self._keys, self._scales, strict=True):
            keys[pages, :, :, PAGE:] = header
            scales[pages] = 0

    @staticmethod
    def _allocate_rows(layers: int, shape: tuple[int, ...]) -> list[torch.Tensor]:
        *outer, row = shape
        return [torch.empty(*outer, row + HEADER_BYTES, dtype=torch.uint8) for _ in range(layers)]


def _weighted_sums(
    rows: torch.Tensor, indices: torch.Tensor, offsets: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Return sums of weighted rows, a bag at each offset. [..., width], [n], [bags], [n] -> [bags, width]"""
    flat = rows.view(-1, rows.shape[-1])
    sums: torch.Tensor = torch.ops.aten._embedding_bag_forward_only(flat, indices, offsets, False, 0, False, weights)[0]
    return sums


def _weighted_byte_sums(
    rows: torch.Tensor, indices: torch.Tensor, offsets: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Return the same sums over rows of bytes, each with its header. -> [bags, width] float32"""
    flat = rows.view(-1, rows.shape[-1])
    sums: torch.Tensor = torch.ops.quantized.embedding_bag_byte_rowwise_offsets(
        flat, indices, offsets, False, 0, False, weights
    )
    return sums
