"""Attention over pages equals plain attention, with sequences of every length in one batch."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from worker.engine.runners.paged_kv_cache import PAGE, Int8KvCache, PagedKvCache, PageTable, pages_for

LAYERS, HEADS, HEAD_DIM = 2, 4, 16
LENGTHS = (1, 10, 64, 65, 200, 321)
KINDS = pytest.mark.parametrize(("kind", "tolerance"), [(PagedKvCache, 2e-6), (Int8KvCache, 0.03)])


def random_kv(length: int) -> torch.Tensor:
    """Draw keys and values [positions, 2, heads, head_dim] that are the same for the same length."""
    return torch.randn(length, 2, HEADS, HEAD_DIM, generator=torch.Generator().manual_seed(length))


def random_queries(rows: int) -> torch.Tensor:
    """Draw queries [rows, heads, head_dim], the same at each call."""
    return torch.randn(rows, HEADS, HEAD_DIM, generator=torch.Generator().manual_seed(0))


def filled(pages: PagedKvCache, lengths: tuple[int, ...]) -> list[list[int]]:
    """Fill pages with sequences of these lengths; return each one's pages."""
    allocated = [pages.allocate(pages_for(length)) for length in lengths]
    for own, length in zip(allocated, lengths, strict=True):
        positions = torch.arange(length)
        for layer in range(LAYERS):
            pages.put(layer, torch.tensor(own)[positions // PAGE], positions % PAGE, random_kv(length) * (1 + layer))
    return allocated


def attend(
    pages: PagedKvCache, allocated: list[list[int]], lengths: tuple[int, ...], queries: torch.Tensor
) -> torch.Tensor:
    table = PageTable.of(allocated, HEADS, HEAD_DIM)
    return pages.attend(1, queries, table, table.mask(torch.tensor(lengths), HEADS))


@KINDS
def test_attention_over_pages_is_attention(kind: type[PagedKvCache], tolerance: float) -> None:
    pages = kind(LAYERS, HEADS, HEAD_DIM, 20)
    queries = random_queries(len(LENGTHS))
    made = attend(pages, filled(pages, LENGTHS), LENGTHS, queries)
    for row, length in enumerate(LENGTHS):
        keys, values = (2 * random_kv(length)).permute(1, 2, 0, 3)  # [heads, positions, head_dim] each
        expected = scaled_dot_product_attention(queries[row, :, None], keys, values).squeeze(1)
        assert (made[row] - expected).norm() < tolerance * expected.norm()


@KINDS
def test_a_row_is_bitwise_the_same_alone_and_beside_longer_and_shorter_ones(
    kind: type[PagedKvCache], tolerance: float
) -> None:
    pages = kind(LAYERS, HEADS, HEAD_DIM, 20)
    allocated = filled(pages, LENGTHS)
    queries = random_queries(len(LENGTHS))
    batched = attend(pages, allocated, LENGTHS, queries)
    for row, length in enumerate(LENGTHS):
        assert torch.equal(attend(pages, [allocated[row]], (length,), queries[row : row + 1])[0], batched[row])


@KINDS
def test_what_a_sequence_left_in_a_page_does_not_reach_the_next_one(kind: type[PagedKvCache], tolerance: float) -> None:
    pages = kind(LAYERS, HEADS, HEAD_DIM, 1)
    (own,) = filled(pages, (10,))
    queries = random_queries(1)
    expected = attend(pages, [own], (10,), queries)
    pages.free(own)
    (broken,) = (pages.allocate(1),)
    for layer in range(LAYERS):
        nonsense = torch.full((PAGE, 2, HEADS, HEAD_DIM), torch.nan)
        pages.put(layer, torch.tensor(broken * PAGE), torch.arange(PAGE), nonsense)
    pages.free(broken)
    assert torch.equal(attend(pages, filled(pages, (10,)), (10,), queries), expected)


def test_a_page_of_8_bits_takes_little_more_than_a_quarter_and_no_page_is_allocated_twice() -> None:
    assert Int8KvCache.bytes_for(24, 16, 64) < 0.3 * PagedKvCache.bytes_for(24, 16, 64)
    pages = PagedKvCache(LAYERS, HEADS, HEAD_DIM, 3)
    first, second = pages.allocate(2), pages.allocate(1)
    assert sorted(first + second) == [0, 1, 2]
    with pytest.raises(MemoryError, match="1 pages wanted, 0 free"):
        pages.allocate(1)
    pages.free(first)
    assert sorted(pages.allocate(2)) == sorted(first)
