"""Run the training forward pass over audiocraft's LMModel: its weights and arithmetic, without its bookkeeping.

Two things differ on purpose. Padding of the text is masked, because a prompt is decoded alone, without padding. And a
crop from the middle of a piece stands at its true positions, with only those melody frames before it that lie near: so
every position is trained at the price of a short sequence. `tests/training` holds it to `LMModel.forward` where nothing
is cut or padded.
"""

from typing import Any

import torch
from torch.nn import functional

from training.data.chroma import CHROMA_FRAMES
from worker.engine.imports.audiocraft import LMModel, create_sin_embedding


def delayed(codes: torch.Tensor, special: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Apply audiocraft's delay pattern: what the model sees, and what it has to predict (-100 where nothing).

    [batch, books, frames] -> two of [batch, books, frames + books - 1]
    """
    batch, books, frames = codes.shape
    sequence = codes.new_full((batch, books, frames + books), special)
    for book in range(books):
        sequence[:, book, 1 + book : 1 + book + frames] = codes[:, book]
    targets = sequence[..., 1:]
    return sequence[..., :-1], targets.masked_fill(targets == special, -100)


def embed_text(lm: LMModel, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Embed texts, and say which words may be attended to. An empty text is all zero, as audiocraft's null is."""
    conditioner: Any = lm.condition_provider.conditioners["description"]
    tokens = conditioner.tokenize(list(texts))
    embedded, mask = conditioner(tokens)  # [batch, words, dim], [batch, words]
    visible = mask.bool() | ~mask.bool().any(dim=1, keepdim=True)
    return embedded, visible


def embed_melody(lm: LMModel, classes: torch.Tensor) -> torch.Tensor:
    """Embed pitch classes at chroma frames, [batch, frames], as the melody conditioner would."""
    projection: Any = lm.condition_provider.conditioners["self_wav"].output_proj
    embedded: torch.Tensor = projection(functional.one_hot(classes.long(), 12).to(projection.weight))
    return embedded


def attend(attention: Any, x: torch.Tensor) -> torch.Tensor:
    """Attend causally to the steps themselves. [batch, steps, dim]"""
    batch, steps, dim = x.shape
    packed = functional.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    q, k, v = packed.view(batch, steps, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)  # [batch, heads, steps, head dim]
    out: torch.Tensor = attention.out_proj(mixed.transpose(1, 2).reshape(batch, steps, dim))
    return out


def attend_text(attention: Any, x: torch.Tensor, text: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
    """Cross-attend to the words that are there. [batch, steps, dim]"""
    batch, steps, dim = x.shape
    heads, weight = attention.num_heads, attention.in_proj_weight
    q = functional.linear(x, weight[:dim]).view(batch, steps, heads, -1).transpose(1, 2)
    k, v = functional.linear(text, weight[dim:]).view(batch, text.shape[1], 2, heads, -1).permute(2, 0, 3, 1, 4)
    mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=visible[:, None, None, :])
    out: torch.Tensor = attention.out_proj(mixed.transpose(1, 2).reshape(batch, steps, dim))
    return out


def run_layer(layer: Any, x: torch.Tensor, text: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
    """Run one pre-norm layer: self-attention, cross-attention, feed-forward."""
    x = x + attend(layer.self_attn, layer.norm1(x))
    x = x + attend_text(layer.cross_attention, layer.norm_cross(x), text, visible)
    out: torch.Tensor = x + layer.linear2(functional.gelu(layer.linear1(layer.norm2(x))))
    return out


def embed_music(lm: LMModel, inputs: torch.Tensor) -> torch.Tensor:
    """Add up the codebooks' embeddings. [batch, books, steps] -> [batch, steps, dim]"""
    return torch.stack([lm.emb[book](inputs[:, book]) for book in range(lm.n_q)]).sum(0)


def add_positions(lm: LMModel, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Add the embedding of positions, [steps] or [batch, steps]."""
    return x + create_sin_embedding(positions.view(-1, x.shape[1], 1), lm.dim, lm.transformer.max_period)


def logits_of(
    lm: LMModel,
    inputs: torch.Tensor,
    melody: torch.Tensor,
    words: tuple[torch.Tensor, torch.Tensor],
    music_from: torch.Tensor | int = 0,
    melody_from: torch.Tensor | int = 0,
) -> list[torch.Tensor]:
    """Return the logits of each codebook.

    inputs: [batch, books, steps]; melody: [batch, frames, dim]; words: what embed_text gives; music_from, melody_from:
    where in the piece and in its melody they begin, one number or [batch, 1] -> [batch, steps, card] each
    """
    steps, prefix = inputs.shape[-1], melody.shape[1]
    music_positions = torch.arange(steps, device=inputs.device)[None] + CHROMA_FRAMES + music_from
    melody_positions = torch.arange(prefix, device=inputs.device)[None] + melody_from
    x = torch.cat(
        [add_positions(lm, melody, melody_positions), add_positions(lm, embed_music(lm, inputs), music_positions)],
        dim=1,
    )
    for layer in lm.transformer.layers:
        x = run_layer(layer, x, *words)
    assert lm.out_norm is not None, "the configuration has a norm first"
    out = lm.out_norm(x[:, prefix:])
    return [linear(out) for linear in lm.linears]
