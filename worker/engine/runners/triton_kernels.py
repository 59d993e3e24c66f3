"""Attend with one query a row over the row's own positions: kernels in Triton, for a GPU (imports triton).

A row's positions are cut into chunks of CHUNK, counted from its first one, and a program attends over one chunk of one
head (`attend_to_chunk`); a second kernel joins the chunks (`join_chunks`). So the order of all sums follows from the
row's own length: beside other rows, in any batch, its result is bitwise the same. This is the split over keys of
Flash-Decoding (Dao et al. 2023), with chunks of a fixed size where others choose their number by the batch.

Programs of chunks beyond a row's end return at once, and nothing behind it is read. The newest position's keys and
values come from the projection; the program that attends over its chunk writes them into the cache.

Everything that a row's sums depend on is a `constexpr`, and all is compiled at boot: no step waits for it. Softmax is
in base 2: `scale` has log2(e) in it.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def attend_to_block(
    query: tl.tensor,
    keys: tl.tensor,
    values: tl.tensor,
    offsets: tl.tensor,
    seen: tl.tensor,
    peak: tl.tensor,
    total: tl.tensor,
    summed: tl.tensor,
) -> tl.tensor:
    """Add a block of positions to a running softmax: `peak` of the scores, `total` of their powers, `summed` values."""
    k = tl.load(keys + offsets, mask=seen[:, None], other=0.0).to(tl.float32)  # [block, head_dim]
    scores = tl.where(seen, tl.sum(k * query[None, :], axis=1), float("-inf"))
    higher = tl.maximum(peak, tl.max(scores, axis=0))
    weights, kept = tl.exp2(scores - higher), tl.exp2(peak - higher)
    v = tl.load(values + offsets, mask=seen[:, None], other=0.0).to(tl.float32)
    summed = summed * kept + tl.sum(v * weights[:, None], axis=0)
    return higher, total * kept + tl.sum(weights, axis=0), summed


@triton.jit
def attend_to_chunk(
    qkv: tl.tensor,  # [rows, 3, heads, head_dim]
    cache: tl.tensor,  # a layer's [rows, 2 (keys, values), heads, positions, head_dim], rows `row_stride` apart
    newest: tl.tensor,  # [rows] the position of each row's newest token: the last that it sees
    partial: tl.tensor,  # [rows, heads, chunks, head_dim] float32: each chunk's values, summed
    peaks: tl.tensor,  # [rows, heads, chunks] float32
    totals: tl.tensor,  # [rows, heads, chunks] float32
    scale: tl.tensor,
    row_stride: tl.tensor,
    POSITIONS: tl.constexpr,  # noqa: N803  constants are capitals, as in Triton's own code
    HEAD_DIM: tl.constexpr,  # noqa: N803
    CHUNK: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
) -> tl.tensor:
    """Attend over one chunk of one head of a row. A program each: rows x heads x chunks."""
    row, head, chunk = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    heads, chunks = tl.num_programs(1), tl.num_programs(2)
    last = tl.load(newest + row).to(tl.int32)
    begin = chunk * CHUNK
    if begin > last:
        return
    dims = tl.arange(0, HEAD_DIM)
    of_token = qkv + (row * 3 * heads + head) * HEAD_DIM + dims
    query = tl.load(of_token).to(tl.float32) * scale
    key, value = tl.load(of_token + heads * HEAD_DIM), tl.load(of_token + 2 * heads * HEAD_DIM)
    keys = cache + row * row_stride + head * POSITIONS * HEAD_DIM
    values = keys + heads * POSITIONS * HEAD_DIM
    has_newest = last < begin + CHUNK
    tl.store(keys + last * HEAD_DIM + dims, key, mask=(dims >= 0) & has_newest)
    tl.store(values + last * HEAD_DIM + dims, value, mask=(dims >= 0) & has_newest)
    peak = tl.where(has_newest, tl.sum(key.to(tl.float32) * query, axis=0), float("-inf"))
    total = tl.where(has_newest, 1.0, 0.0)
    summed = tl.where((dims >= 0) & has_newest, value.to(tl.float32), 0.0)
    for block in tl.static_range(0, CHUNK, BLOCK):
        positions = begin + block + tl.arange(0, BLOCK)
        offsets = positions[:, None] * HEAD_DIM + dims[None, :]
        peak, total, summed = attend_to_block(query, keys, values, offsets, positions < last, peak, total, summed)
    at = (row * heads + head) * chunks + chunk
    tl.store(partial + at * HEAD_DIM + dims, summed)
    tl.store(peaks + at, peak)
    tl.store(totals + at, total)


@triton.jit
def join_chunks(
    partial: tl.tensor,
    peaks: tl.tensor,
    totals: tl.tensor,
    newest: tl.tensor,
    out: tl.tensor,  # [rows, heads, head_dim]
    CHUNKS: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803  the power of two that holds CHUNKS
    HEAD_DIM: tl.constexpr,  # noqa: N803
    CHUNK: tl.constexpr,  # noqa: N803
) -> tl.tensor:
    """Join a row's chunks into what its head attends to. A program each: rows x heads."""
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    heads = tl.num_programs(1)
    chunks, dims = tl.arange(0, WIDTH), tl.arange(0, HEAD_DIM)
    written = chunks <= tl.load(newest + row).to(tl.int32) // CHUNK
    at = (row * heads + head) * CHUNKS + chunks
    peak = tl.load(peaks + at, mask=written, other=float("-inf"))
    weights = tl.exp2(peak - tl.max(peak, axis=0))
    total = tl.sum(tl.load(totals + at, mask=written, other=0.0) * weights, axis=0)
    each = tl.load(partial + at[:, None] * HEAD_DIM + dims[None, :], mask=written[:, None], other=0.0)
    joined = tl.sum(each * weights[:, None], axis=0) / total
    tl.store(out + (row * heads + head) * HEAD_DIM + dims, joined.to(out.dtype.element_ty))


@triton.jit
def attend_to_text(
    queries: tl.tensor,  # [slots, heads, head_dim]
    text: tl.tensor,  # a layer's [slots, 2 (keys, values), heads, tokens, head_dim]
    lengths: tl.tensor,  # [slots], each at least 1
    out: tl.tensor,  # [slots, heads, head_dim]
    scale: tl.tensor,
    TOKENS: tl.constexpr,  # noqa: N803
    HEAD_DIM: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
) -> tl.tensor:
    """Attend over all of a slot's text, block by block: most prompts are one. A program each: slots x heads."""
    slot, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    heads = tl.num_programs(1)
    dims = tl.arange(0, HEAD_DIM)
    at = (slot * heads + head) * HEAD_DIM + dims
    query = tl.load(queries + at).to(tl.float32) * scale
    keys = text + (slot * 2 * heads + head) * TOKENS * HEAD_DIM
    values = keys + heads * TOKENS * HEAD_DIM
    length = tl.load(lengths + slot).to(tl.int32)
    peak, total = tl.full((), float("-inf"), tl.float32), tl.full((), 0.0, tl.float32)
    summed = tl.zeros([HEAD_DIM], tl.float32)
    start = tl.full((), 0, tl.int32)
    while start < length:
        positions = start + tl.arange(0, BLOCK)
        offsets = positions[:, None] * HEAD_DIM + dims[None, :]
        peak, total, summed = attend_to_block(query, keys, values, offsets, positions < length, peak, total, summed)
        start += BLOCK
    tl.store(out + at, (summed / total).to(out.dtype.element_ty))
