"""Attend over each row's own positions by the kernels in triton_kernels.py (`RowAttention`). Imports triton.

The first launch compiles them, which takes a second or two and is kept in Triton's cache folder (triton_launch.py).
`check` is that first launch, and compares what they compute with the same attention under masks.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch

from worker.engine.model.decoder import Decoder
from worker.engine.model.memory import Capacity
from worker.engine.runners import triton_kernels
from worker.engine.runners.step_attention import KernelsUnsupported, MaskedAttention
from worker.engine.runners.triton_launch import launch_on

CHUNK = 128  # positions that one program attends over
TILE = 8192  # numbers of keys, or of values, that a program holds in registers at once
TOLERANCE = {torch.float32: 1e-4, torch.float16: 5e-3, torch.bfloat16: 4e-2}  # as a share of the largest value


class RowAttention:
    """Attend over the rows' own positions. Allocates where chunks meet once a step, and reads no mask."""

    own_lengths: ClassVar[bool] = True

    def __init__(self, newest: torch.Tensor, texts: torch.Tensor, context: int, text: int, dtype: torch.dtype) -> None:
        self._newest, self._texts = newest.contiguous(), texts.contiguous()
        self._chunks = -(-context // CHUNK)
        self._partial: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None

    def attend(self, rows: torch.Tensor, qkv: torch.Tensor) -> torch.Tensor:
        count, _, heads, head_dim = qkv.shape
        if self._partial is None:
            shape = (count, heads, self._chunks)
            peaks, totals = (torch.empty(shape, dtype=torch.float32, device=qkv.device) for _ in range(2))
            self._partial = torch.empty(*shape, head_dim, dtype=torch.float32, device=qkv.device), peaks, totals
        out = torch.empty(count, heads * head_dim, dtype=qkv.dtype, device=qkv.device)
        launch = launch_on(qkv.device)
        launch(
            triton_kernels.attend_to_chunk, (count, heads, self._chunks),
            qkv, rows, self._newest, *self._partial, _scale(head_dim), rows.stride(0), rows.shape[3], head_dim,
            CHUNK, min(CHUNK, TILE // head_dim),
        )  # fmt: skip
        launch(
            triton_kernels.join_chunks, (count, heads),
            *self._partial, self._newest, out, self._chunks, 1 << (self._chunks - 1).bit_length(), head_dim, CHUNK,
        )  # fmt: skip
        return out

    def cross_attend(self, text: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        count, heads, head_dim = queries.shape
        out = torch.empty(count, heads * head_dim, dtype=queries.dtype, device=queries.device)
        launch_on(queries.device)(
            triton_kernels.attend_to_text, (count, heads),
            queries, text, self._texts, out, _scale(head_dim), text.shape[3], head_dim, min(64, TILE // head_dim),
        )  # fmt: skip
        return out


def _scale(head_dim: int) -> float:
    """Return what scores are multiplied by, for a softmax in base 2."""
    return math.log2(math.e) / math.sqrt(head_dim)


def check(decoder: Decoder, capacity: Capacity) -> None:
    """Run the kernels on this device in this model's shapes. Raises what they raise, ArithmeticError for wrong results.

    What lies behind the rows' ends is not a number there, so a result that had read it would show.
    """
    heads, head_dim, positions = decoder.heads, decoder.head_dim, capacity.positions
    if head_dim & (head_dim - 1):
        raise KernelsUnsupported(f"heads of {head_dim} numbers, which is no power of two")
    draw = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw).to(decoder.device, decoder.dtype)

    lengths = sorted({1, min(CHUNK, positions), min(CHUNK + 1, positions), positions})
    newest, width = torch.tensor(lengths, device=decoder.device) - 1, max(1, capacity.text)
    texts = (newest + 1).clamp(max=width)
    rows, text = (drawn(len(lengths), 2, heads, length, head_dim) for length in (positions, width))
    qkv = drawn(len(lengths), 3, heads, head_dim)
    queries = qkv[:, 0].contiguous()
    masked, own = (kind(newest, texts, positions, width, decoder.dtype) for kind in (MaskedAttention, RowAttention))
    wanted = masked.attend(rows.clone(), qkv), masked.cross_attend(text, queries)
    for row, length in enumerate(lengths):
        rows[row, :, :, length - 1 :] = torch.nan  # the newest is not written yet
        text[row, :, :, min(length, width) :] = torch.nan
    found = own.attend(rows, qkv), own.cross_attend(text, queries)
    for name, one, other in zip(("attention", "cross-attention"), found, wanted, strict=True):
        off = (one - other).float().abs().amax(dim=1) / other.float().abs().amax(dim=1)  # [rows]
        if not bool((off <= TOLERANCE[decoder.dtype]).all()):
            raise ArithmeticError(f"{name} over {lengths} positions is off by {off.tolist()} of the largest value")
