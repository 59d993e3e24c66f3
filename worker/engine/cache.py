"""The KV cache of one song, and attention over it. Memory is taken at admission, when the song's length is known.

Each song has its own cache and its own attention call per layer: only the context that it needs is read, and the
order in which its sums are taken cannot depend on its neighbours. A song has up to two halves, the conditional one and
the null one; without guidance it has one of them.
"""

from __future__ import annotations

import torch
from torch.nn.functional import scaled_dot_product_attention


class SongCache:
    """Keys and values of one song's window. `filled` positions are valid."""

    def __init__(
        self, layers: int, halves: int, heads: int, positions: int, head_dim: int, dtype: torch.dtype, device: str
    ) -> None:
        shape = (layers, 2, halves, heads, positions, head_dim)
        self.kv = torch.empty(shape, dtype=dtype, device=device)
        self.filled = 0

    @staticmethod
    def bytes_for(layers: int, halves: int, dim: int, positions: int, dtype: torch.dtype) -> int:
        """What a song takes: layers x (keys, values) x halves x positions x dim."""
        return layers * 2 * halves * positions * dim * dtype.itemsize

    def append(self, layer: int, kv: torch.Tensor) -> None:
        """Keys and values of the next position of every half. kv [halves, 2, heads, head_dim]"""
        self.kv[layer, :, :, :, self.filled] = kv.transpose(0, 1)

    def fill(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Keys and values of a whole prefill. [halves, heads, positions, head_dim] each"""
        self.kv[layer, 0, :, :, : keys.shape[2]] = keys
        self.kv[layer, 1, :, :, : keys.shape[2]] = values

    def attend(self, layer: int, queries: torch.Tensor) -> torch.Tensor:
        """One query a half over all positions so far, the newest included.

        queries [halves, heads, head_dim] -> [halves, heads, head_dim]
        """
        keys, values = self.kv[layer, :, :, :, : self.filled + 1]  # [halves, heads, positions, head_dim] each
        return scaled_dot_product_attention(queries.unsqueeze(2), keys, values).squeeze(2)


class CrossCache:
    """Keys and values of the text, for the conditional half: computed once, constant over a song."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        self._keys = keys  # [layers, 1, heads, source, head_dim]
        self._values = values

    def attend(self, layer: int, queries: torch.Tensor) -> torch.Tensor:
        """queries [rows, heads, head_dim] of one song -> the same shape."""
        q = queries.transpose(0, 1).unsqueeze(0)  # [1, heads, rows, head_dim]
        out = scaled_dot_product_attention(q, self._keys[layer], self._values[layer])
        return out.squeeze(0).transpose(0, 1)
