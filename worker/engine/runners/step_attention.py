"""Attend in a decode step, one query a row, over the slots of a static cache (`StepAttention`), in one of two ways.

* `RowAttention` (row_attention.py) reads of each row what it has, by kernels in Triton.
* `MaskedAttention` reads the step's full context of every row and masks what lies behind a row's end; for where there
  is no Triton, or its kernels do not run. By torch alone.

`choose` tries the kernels once on the device, against the masks.
"""

from __future__ import annotations

import logging
from typing import ClassVar, Protocol

import torch
from torch.nn.functional import scaled_dot_product_attention

from worker.engine.core.failures import is_device_error
from worker.engine.model.decoder import Decoder
from worker.engine.model.memory import Capacity

log = logging.getLogger(__name__)


class KernelsUnsupported(Exception):
    """Say why Triton's kernels cannot attend here: masks do instead."""


class StepAttention(Protocol):
    """Attend for all layers of one step. `newest` [rows] positions of the newest tokens, `texts` [slots] lengths.

    Of `own_lengths` the step's `context` and `text` say no more than what there is at most.
    """

    own_lengths: ClassVar[bool]

    def __init__(
        self, newest: torch.Tensor, texts: torch.Tensor, context: int, text: int, dtype: torch.dtype
    ) -> None: ...

    def attend(self, rows: torch.Tensor, qkv: torch.Tensor) -> torch.Tensor:
        """Write each row's keys and values at its newest position, then attend up to there.

        rows [rows, 2, heads, positions, head_dim] of the cache, qkv [rows, 3, heads, head_dim] -> [rows, dim]
        """

    def cross_attend(self, text: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Attend over the slots' text. [slots, 2, heads, tokens, head_dim], [slots, heads, head_dim] -> [slots, dim]"""


class MaskedAttention:
    """Attend over the full context under masks. What lies behind a row's end must be numbers."""

    own_lengths: ClassVar[bool] = False

    def __init__(self, newest: torch.Tensor, texts: torch.Tensor, context: int, text: int, dtype: torch.dtype) -> None:
        self._newest = newest
        self._mask = mask_of(newest + 1, context, dtype)
        self._text_mask = mask_of(texts, text, dtype)

    def attend(self, rows: torch.Tensor, qkv: torch.Tensor) -> torch.Tensor:
        rows[torch.arange(len(qkv), device=qkv.device), :, :, self._newest] = qkv[:, 1:]
        return _attend(rows, qkv[:, 0], self._mask)

    def cross_attend(self, text: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        return _attend(text, queries, self._text_mask)


def _attend(rows: torch.Tensor, queries: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    seen = rows[:, :, :, : mask.shape[-1]]
    out = scaled_dot_product_attention(queries[:, :, None], seen[:, 0], seen[:, 1], attn_mask=mask)
    return out.reshape(len(queries), -1)


def mask_of(lengths: torch.Tensor, width: int, dtype: torch.dtype) -> torch.Tensor:
    """Return 0 for the first `length` positions of each row, -inf beyond. lengths [rows] -> [rows, 1, 1, width]"""
    seen = torch.arange(width, device=lengths.device) < lengths[:, None]
    nothing = torch.zeros(1, dtype=dtype, device=lengths.device)
    return torch.where(seen, nothing, nothing - torch.inf)[:, None, None]


def choose(decoder: Decoder, capacity: Capacity) -> type[StepAttention]:
    """Choose what runs on this device, and log it. Raises the device's own errors: the process cannot go on then."""
    if decoder.device.type != "cuda":
        return MaskedAttention
    try:
        from worker.engine.runners.row_attention import RowAttention, check

        check(decoder, capacity)
    except Exception as error:
        if is_device_error(error):
            raise
        log.warning(
            "attention reads full contexts under masks, not each row's own: %s: %s", type(error).__name__, error
        )
        return MaskedAttention
    log.info("attention reads each row's own positions, by Triton")
    return RowAttention
