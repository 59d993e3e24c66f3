"""Cross-attend to one sequence's text during its prefill. Decode steps read the text from pages or slots instead."""

from __future__ import annotations

import torch
from torch.nn.functional import scaled_dot_product_attention


class CrossKv:
    """Hold the text's keys and values for the conditional half: computed once, constant over a sequence."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        self._keys = keys  # [layers, 1, heads, source, head_dim]
        self._values = values

    def attend(self, layer: int, queries: torch.Tensor) -> torch.Tensor:
        """Cross-attend to the text. queries [rows, heads, head_dim] of one sequence -> the same shape."""
        q = queries.transpose(0, 1).unsqueeze(0)  # [1, heads, rows, head_dim]
        out = scaled_dot_product_attention(q, self._keys[layer], self._values[layer])
        return out.squeeze(0).transpose(0, 1)
