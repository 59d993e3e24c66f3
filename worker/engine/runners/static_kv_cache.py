"""Keep keys and values of a fixed number of slots at fixed addresses, for CUDA graphs (`StaticKvCache`).

A slot has two rows, its conditional half and its null half, one after the other: so the first so many slots are the
first rows, and conditional rows alone are every other one. What a row holds beyond its own length is not attended to
(step_attention.py).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from worker.engine.model.decoder import Decoder
from worker.engine.model.memory import Capacity
from worker.engine.runners.step_attention import MaskedAttention, StepAttention

HALVES = 2


class StaticKvCache:
    """Store the keys and values of every slot, in tensors that are allocated once."""

    def __init__(
        self, decoder: Decoder, slots: int, capacity: Capacity, attention: type[StepAttention] = MaskedAttention
    ) -> None:
        self.attention = attention  # how a step attends to it
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

    def rows(self, layer: int, count: int, halves: int) -> torch.Tensor:
        """Return a layer's first rows; with one half a slot, the conditional rows alone, which are every other one.

        [rows, 2 (keys, values), heads, positions, head_dim]
        """
        step = HALVES // halves
        return self._own[layer, : step * count : step]

    def text(self, layer: int, slots: int) -> torch.Tensor:
        """Return the text of the first slots for a layer. [slots, 2 (keys, values), heads, tokens, head_dim]"""
        return self._text[layer, :slots]

    @staticmethod
    def _rows(slot: int) -> slice:
        return slice(HALVES * slot, HALVES * (slot + 1))
