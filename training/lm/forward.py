"""The training forward pass over audiocraft's LMModel: its weights and its arithmetic, without its bookkeeping.

Two things differ on purpose. Padding of the text is masked, because a prompt is decoded alone, without padding. And the
prefix may be cut short for short crops: positions stay as they are (music begins at 235), only unneeded melody frames,
which lie beyond the crop, are left out. `tests/training` holds it to `LMModel.forward` where nothing is cut or padded.
"""

import torch
from audiocraft.models.lm import LMModel
from audiocraft.modules.transformer import StreamingMultiheadAttention, StreamingTransformerLayer, create_sin_embedding
from torch.nn import functional

from training.data.dataset import CHROMA_FRAMES


def delayed(codes: torch.Tensor, special: int) -> tuple[torch.Tensor, torch.Tensor]:
    """audiocraft's delay pattern: what the model sees, and what it has to predict (-100 where nothing).

    [batch, books, frames] -> two of [batch, books, frames + books - 1]
    """
    batch, books, frames = codes.shape
    sequence = codes.new_full((batch, books, frames + books), special)
    for book in range(books):
        sequence[:, book, 1 + book : 1 + book + frames] = codes[:, book]
    targets = sequence[..., 1:]
    return sequence[..., :-1], targets.masked_fill(targets == special, -100)


def embed_text(lm: LMModel, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts -> (embedded, which keys may be looked at). An empty text is all zero, as audiocraft's null is."""
    conditioner = lm.condition_provider.conditioners["description"]
    tokens = conditioner.tokenize(list(texts))
    embedded, mask = conditioner(tokens)  # [batch, words, dim], [batch, words]
    visible = mask.bool() | ~mask.bool().any(dim=1, keepdim=True)
    return embedded, visible


def embed_melody(lm: LMModel, classes: torch.Tensor) -> torch.Tensor:
    """Pitch classes at chroma frames, [batch, frames], as the melody conditioner would embed them."""
    projection = lm.condition_provider.conditioners["self_wav"].output_proj
    return projection(functional.one_hot(classes.long(), 12).to(projection.weight))


def attend(attention: StreamingMultiheadAttention, x: torch.Tensor) -> torch.Tensor:
    """Causal self-attention. [batch, steps, dim]"""
    batch, steps, dim = x.shape
    packed = functional.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    q, k, v = packed.view(batch, steps, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)  # [batch, heads, steps, head dim]
    return attention.out_proj(mixed.transpose(1, 2).reshape(batch, steps, dim))


def attend_text(
    attention: StreamingMultiheadAttention, x: torch.Tensor, text: torch.Tensor, visible: torch.Tensor
) -> torch.Tensor:
    """Cross-attention to the words that are there. [batch, steps, dim]"""
    batch, steps, dim = x.shape
    heads, weight = attention.num_heads, attention.in_proj_weight
    q = functional.linear(x, weight[:dim]).view(batch, steps, heads, -1).transpose(1, 2)
    k, v = functional.linear(text, weight[dim:]).view(batch, text.shape[1], 2, heads, -1).permute(2, 0, 3, 1, 4)
    mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=visible[:, None, None, :])
    return attention.out_proj(mixed.transpose(1, 2).reshape(batch, steps, dim))


def run_layer(
    layer: StreamingTransformerLayer, x: torch.Tensor, text: torch.Tensor, visible: torch.Tensor
) -> torch.Tensor:
    """One pre-norm layer: itself, the text, the feed-forward."""
    x = x + attend(layer.self_attn, layer.norm1(x))
    x = x + attend_text(layer.cross_attention, layer.norm_cross(x), text, visible)
    return x + layer.linear2(functional.gelu(layer.linear1(layer.norm2(x))))


def logits_of(
    lm: LMModel, inputs: torch.Tensor, melody: torch.Tensor, text: torch.Tensor, visible: torch.Tensor
) -> list[torch.Tensor]:
    """Logits of each codebook. inputs: [batch, books, steps], melody: [batch, frames, dim] -> [batch, steps, card]"""
    steps, prefix = inputs.shape[-1], melody.shape[1]
    music = torch.stack([lm.emb[book](inputs[:, book]) for book in range(lm.n_q)]).sum(0)  # [batch, steps, dim]
    place = torch.arange(steps, device=inputs.device) + CHROMA_FRAMES
    place = torch.cat([torch.arange(prefix, device=inputs.device), place])
    x = torch.cat([melody, music], dim=1) + create_sin_embedding(place.view(1, -1, 1), lm.dim)
    for layer in lm.transformer.layers:
        x = run_layer(layer, x, text, visible)
    out = lm.out_norm(x[:, prefix:])
    return [linear(out) for linear in lm.linears]
