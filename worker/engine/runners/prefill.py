"""Prefill one sequence: run it alone through the transformer, for the prefix and the given steps. Keeps nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import scaled_dot_product_attention

from worker.engine.model.decoder import Decoder
from worker.engine.runners.cross_kv import CrossKv

Store = Callable[[int, torch.Tensor, torch.Tensor], None]  # layer, keys and values [halves, heads, positions, head_dim]


def prefill(decoder: Decoder, prefix: torch.Tensor, known: torch.Tensor, cross: CrossKv | None, store: Store) -> None:
    """Compute the keys and values of a prefix and of the known tokens after it, and hand them to `store`.

    prefix [halves, positions, dim] float32, known [steps, codebooks]. The first half cross-attends to the text, if
    there is one. Does nothing when both are empty.
    """
    halves, length = len(prefix), prefix.shape[1] + len(known)
    if not length:
        return
    codes = decoder.embed(known).expand(halves, -1, -1)
    x = torch.cat([prefix, codes], dim=1) + decoder.positions(torch.arange(length, device=prefix.device))
    x = x.reshape(halves * length, decoder.dim)

    def attend(layer: int, qkv: torch.Tensor) -> torch.Tensor:
        split = qkv.view(halves, length, 3, decoder.heads, decoder.head_dim).permute(2, 0, 3, 1, 4)
        store(layer, split[1], split[2])
        out = scaled_dot_product_attention(split[0], split[1], split[2], is_causal=True)
        return out.transpose(1, 2).reshape(halves * length, decoder.dim)

    def cross_attend(layer: int, queries: torch.Tensor) -> torch.Tensor:
        assert cross is not None
        return cross.attend(layer, queries).reshape(length, decoder.dim)

    decoder.layers_forward(x, attend, cross_attend, slice(0, length) if cross is not None else None)
