"""Attention over pages against plain attention, with songs of every length side by side."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from worker.engine.runners.paged_kv_cache import PAGE, Int8KvCache, PagedKvCache, Table, pages_for

LAYERS, HEADS, HEAD_DIM = 2, 4, 16
LENGTHS = (1, 10, 64, 65, 200, 321)
KINDS = pytest.mark.parametrize(("kind", "tolerance"), [(PagedKvCache, 2e-6), (Int8KvCache, 0.03)])


def song(length: int) -> torch.Tensor:
    """Keys and values [positions, 2, heads, head_dim] that are the same for the same length."""
    return torch.randn(length, 2, HEADS, HEAD_DIM, generator=torch.Generator().manual_seed(length))


def filled(pages: PagedKvCache, lengths: tuple[int, ...]) -> list[list[int]]:
    """Songs of these lengths, in pages of their own."""
    taken = [pages.take(pages_for(length)) for length in lengths]
    for own, length in zip(taken, lengths, strict=True):
        places = torch.arange(length)
        for layer in range(LAYERS):
            pages.put(layer, torch.tensor(own)[places // PAGE], places % PAGE, song(length) * (1 + layer))
    return taken


def attend(
    pages: PagedKvCache, taken: list[list[int]], lengths: tuple[int, ...], queries: torch.Tensor
) -> torch.Tensor:
    table = Table.of(taken, HEADS, HEAD_DIM)
    return pages.attend(1, queries, table, table.mask(torch.tensor(lengths), HEADS))


@KINDS
def test_attention_over_pages_is_attention(kind: type[PagedKvCache], tolerance: float) -> None:
    pages = kind(LAYERS, HEADS, HEAD_DIM, 20)
    queries = torch.randn(len(LENGTHS), HEADS, HEAD_DIM)
    made = attend(pages, filled(pages, LENGTHS), LENGTHS, queries)
    for row, length in enumerate(LENGTHS):
        keys, values = (2 * song(length)).permute(1, 2, 0, 3)  # [heads, positions, head_dim] each
        expected = scaled_dot_product_attention(queries[row, :, None], keys, values).squeeze(1)
        assert (made[row] - expected).abs().max() < tolerance * expected.abs().max()


@KINDS
def test_a_row_is_bitwise_the_same_alone_and_beside_longer_and_shorter_ones(
    kind: type[PagedKvCache], tolerance: float
) -> None:
    pages = kind(LAYERS, HEADS, HEAD_DIM, 20)
    taken = filled(pages, LENGTHS)
    queries = torch.randn(len(LENGTHS), HEADS, HEAD_DIM)
    together = attend(pages, taken, LENGTHS, queries)
    for row, length in enumerate(LENGTHS):
        assert torch.equal(attend(pages, [taken[row]], (length,), queries[row : row + 1])[0], together[row])


@KINDS
def test_what_a_song_left_in_a_page_does_not_reach_the_next_one(kind: type[PagedKvCache], tolerance: float) -> None:
    pages = kind(LAYERS, HEADS, HEAD_DIM, 1)
    (own,) = filled(pages, (10,))
    queries = torch.randn(1, HEADS, HEAD_DIM)
    expected = attend(pages, [own], (10,), queries)
    pages.give_back(own)
    (broken,) = (pages.take(1),)
    for layer in range(LAYERS):
        nonsense = torch.full((PAGE, 2, HEADS, HEAD_DIM), torch.nan)
        pages.put(layer, torch.tensor(broken * PAGE), torch.arange(PAGE), nonsense)
    pages.give_back(broken)
    assert torch.equal(attend(pages, filled(pages, (10,)), (10,), queries), expected)


def test_a_page_of_8_bits_takes_little_more_than_a_quarter_and_no_page_is_given_twice() -> None:
    assert Int8KvCache.bytes_for(24, 16, 64) < 0.3 * PagedKvCache.bytes_for(24, 16, 64)
    pages = PagedKvCache(LAYERS, HEADS, HEAD_DIM, 3)
    first, second = pages.take(2), pages.take(1)
    assert sorted(first + second) == [0, 1, 2]
    with pytest.raises(MemoryError, match="1 pages wanted, 0 free"):
        pages.take(1)
    pages.give_back(first)
    assert sorted(pages.take(2)) == sorted(first)
