"""Keep keys and values of a fixed number of slots at fixed addresses, for CUDA graphs (`StaticKvCache`).

A slot has two rows, its conditional half and its null half, one after the other: so the first so many slots are the
first rows, and conditional rows alone are every other one. What a row holds beyond its own length is masked out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import scaled_dot_product_attention

from worker.engine.model.decoder import Decoder
from worker.engine.model.memory import Capacity

HALVES = 2


class StaticKvCache:
    """Store and attend to the keys and values of every slot, in tensors that are allocated once."""

    def __init__(self, decoder: Decoder, slots: int, capacity: Capacity) -> None:
        crossing = sum(layer.cross is not None for layer in decoder.layers) if capacity.text else 0
        heads, head_dim = decoder.heads, decoder.head_dim
        # [layers, rows, 2 (keys, values), heads, positions, head_dim]
        own = (len(decoder.layers), HALVES * slots, 2, heads, capacity.positions, head_dim)
        self._own = torch.zeros(own, dtype=decoder.dtype, device=decoder.device)
        # [layers, slots, 2 (keys, values), heads, text, head_dim]
        text = (crossing, slots, 2, heads, capacity.text, head_dim)
        self._text = torch.zeros(text, dtype=decoder.dtype, device=decoder.device)

    def clear(self, slot: int) -> None:
        """Fill a slot with zeros: a NaN left there would get through any mask."""
        self._own[:, self._rows(slot)] = 0
        self._text[:, slot] = 0

    def move(self, source: int, target: int) -> None:
        """Copy all that a slot holds to another one."""
        self._own[:, self._rows(target)] = self._own[:, self._rows(source)]
        self._text[:, target] = self._text[:, source]

    def store_in(self, slot: int) -> Callable[[int, torch.Tensor, torch.Tensor], None]:
        """Return the function that writes a prefill's keys and values to that slot, layer by layer.

        keys, values [halves, heads, positions, head_dim]
        """

        def store(layer: int, keys: torch.Tensor, values: torch.Tensor) -> None:
            rows = self._own[layer, HALVES * slot : HALVES * slot + len(keys), :, :, : keys.shape[2]]
            rows[:, 0], rows[:, 1] = keys, values

        return store

    def set_text(self, slot: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Write the text's keys and values to a slot. [layers, 1, heads, source, head_dim] each"""
        self._text[:, slot, 0, :, : keys.shape[3]] = keys[:, 0]
        self._text[:, slot, 1, :, : keys.shape[3]] = values[:, 0]

    def attend(
        self, layer: int, qkv: torch.Tensor, halves: int, positions: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """Write each row's keys and values at its position, then attend with one query a row under the mask.

        qkv [rows, 3, heads, head_dim], positions [rows], mask [rows, 1, 1, context] -> [rows, heads * head_dim]
        """
        step = HALVES // halves  # 2: the conditional rows alone
        rows = self._own[layer, : step * len(qkv) : step]  # [rows, 2, heads, positions, head_dim]
        rows[torch.arange(len(qkv), device=qkv.device), :, :, positions] = qkv[:, 1:]
        seen = rows[:, :, :, : mask.shape[-1]]
        out = scaled_dot_product_attention(qkv[:, 0, :, None], seen[:, 0], seen[:, 1], attn_mask=mask)
        return out.reshape(len(qkv), -1)

    def cross_attend(self, layer: int, queries: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Attend with one query a conditional row over its slot's text.

        queries [slots, heads, head_dim], mask [slots, 1, 1, text] -> [slots, heads * head_dim]
        """
        seen = self._text[layer, : len(queries), :, :, : mask.shape[-1]]
        out = scaled_dot_product_attention(queries[:, :, None], seen[:, 0], seen[:, 1], attn_mask=mask)
        return out.reshape(len(queries), -1)

    @staticmethod
    def _rows(slot: int) -> slice:
        return slice(HALVES * slot, HALVES * (slot + 1))


def mask_of(lengths: torch.Tensor, width: int, dtype: torch.dtype) -> torch.Tensor:
    """Return 0 for the first `length` positions of each row, -inf beyond. lengths [rows] -> [rows, 1, 1, width]"""
    seen = torch.arange(width, device=lengths.device) < lengths[:, None]
    nothing = torch.zeros(1, dtype=dtype, device=lengths.device)
    return torch.where(seen, nothing, nothing - torch.inf)[:, None, None]
