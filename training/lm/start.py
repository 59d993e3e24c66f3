"""Write starting weights that spare a small model one discovery: which melody frame to attend to at which moment.

Two heads of the first layer look from each moment of the music at the chroma frame of the same moment (and of the
one after it). The queries turn with the music's time, the keys with the melody's; `max_period` pairs the
frequencies (config.py), so the match is exact at all 1500 frames. Positions keep some dimensions for themselves:
nothing that training adds to codes or melody can blur the match. Found by gradient descent alone, this alignment
costs most of a short training, and a first one that was only begun there dissolved again (docs/LOG.md).
"""

from typing import Any

import torch

from training.data.chroma import CHROMA_FRAMES, FRAMES_PER_CHROMA
from training.lm.config import CHROMA_SHIFT
from worker.engine.imports.audiocraft import LMModel

SPACING = 3  # every third frequency is kept for the clocks; CHROMA_SHIFT is a multiple of it
SHARPNESS = 3.0
AHEAD = (-0.3, 0.7)  # chroma frames, one head each: the melody's code lags by three frames of delay


def first_layer(lm: LMModel) -> Any:
    """Return the layer whose heads are aligned."""
    layers: Any = lm.transformer.layers
    return layers[0]


def clock_frequencies(lm: LMModel) -> list[int]:
    """List the frequencies of the melody's clock: as many as a head can compare."""
    count = lm.dim // first_layer(lm).self_attn.num_heads // 2
    return [SPACING * hand for hand in range(count) if SPACING * hand + CHROMA_SHIFT < lm.dim // 2]


def kept_dimensions(lm: LMModel) -> torch.Tensor:
    """List the dimensions that belong to positions alone: cosines and sines of both clocks."""
    melody = clock_frequencies(lm)
    both = sorted({*melody, *(hand + CHROMA_SHIFT for hand in melody)})
    return torch.tensor([*both, *(hand + lm.dim // 2 for hand in both)])


@torch.no_grad()
def align_heads(lm: LMModel) -> None:
    """Write the queries and keys of the first layer's first heads, and clear the positions' own dimensions."""
    layer, embeddings = first_layer(lm), list(lm.emb)
    width, half = lm.dim // layer.self_attn.num_heads, lm.dim // 2
    kept = kept_dimensions(lm)
    for embedding in embeddings:
        embedding.get_parameter("weight")[:, kept] = 0
    projection: Any = lm.condition_provider.conditioners["self_wav"].output_proj
    projection.weight *= 0.8 / projection.weight.square().mean().sqrt()
    projection.weight[kept], projection.bias[:] = 0, 0
    weight = layer.self_attn.in_proj_weight
    for head, ahead in enumerate(AHEAD):
        queries, keys = weight[head * width : (head + 1) * width], weight[lm.dim :][head * width : (head + 1) * width]
        queries.zero_()
        keys.zero_()
        for row, hand in enumerate(clock_frequencies(lm)):
            slow = hand + CHROMA_SHIFT  # 6.4 times slower
            rotation = torch.tensor(
                (ahead - CHROMA_FRAMES / FRAMES_PER_CHROMA) * lm.transformer.max_period ** (-hand / (half - 1))
            )
            cosine, sine = SHARPNESS * rotation.cos(), SHARPNESS * rotation.sin()
            queries[2 * row, slow], queries[2 * row, half + slow] = cosine, -sine
            queries[2 * row + 1, slow], queries[2 * row + 1, half + slow] = sine, cosine
            keys[2 * row, hand] = keys[2 * row + 1, half + hand] = SHARPNESS


def freeze_alignment(lm: LMModel) -> None:
    """Let no gradient change what align_heads wrote."""
    layer, kept = first_layer(lm), kept_dimensions(lm)
    dims = torch.ones(lm.dim)
    dims[kept] = 0
    rows = torch.ones_like(layer.self_attn.in_proj_weight)
    aligned = len(AHEAD) * (lm.dim // layer.self_attn.num_heads)
    rows[:aligned] = rows[lm.dim : lm.dim + aligned] = 0
    projection: Any = lm.condition_provider.conditioners["self_wav"].output_proj
    masks = {layer.self_attn.in_proj_weight: rows, projection.weight: dims[:, None], projection.bias: dims}
    masks |= {embedding.get_parameter("weight"): dims[None] for embedding in lm.emb}
    masks |= {layer.norm1.weight: dims, layer.norm1.bias: dims}
    for parameter, mask in masks.items():
        mask = mask.to(parameter.device)
        parameter.register_hook(lambda gradient, mask=mask: gradient * mask)
