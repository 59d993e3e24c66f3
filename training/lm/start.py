"""Starting weights that spare a small model two discoveries. Nothing is fixed: training may change all of it.

1. Embeddings of codes begin as (randomly rotated) codebook vectors: codes that sound alike begin alike.
2. Heads of the first layer begin by looking from each moment of the music at the chroma frame of the same moment (and
   a little ahead), which lies elsewhere in the prefix: 6.4 codec frames are one chroma frame. Found by gradient descent
   alone, that alignment costs most of a short training.
"""

import torch
from audiocraft.models.encodec import EncodecModel
from audiocraft.models.lm import LMModel
from audiocraft.modules.transformer import create_sin_embedding

from training.data.dataset import CHROMA_FRAMES
from training.lm.forward import delayed, embed_melody

FRAMES_PER_CHROMA = 6.4
SHARPNESS = 5.0
AHEAD = (0.0, 1.0)  # chroma frames; one head each


@torch.no_grad()
def embed_codes_as_codebooks(lm: LMModel, codec: EncodecModel, rms: float = 0.12) -> None:
    """One random projection for all codebooks, each codebook scaled to the same loudness."""
    books = [layer._codebook.embed for layer in codec.quantizer.vq.layers]
    projection = torch.randn(books[0].shape[1], lm.dim)
    for embedding, book in zip(lm.emb, books, strict=True):
        start = (book - book.mean(0)) @ projection  # [card, dim]
        embedding.weight[: lm.card] = start * (rms / start.square().mean().sqrt())


@torch.no_grad()
def align_heads(lm: LMModel, codes: torch.Tensor, melody: torch.Tensor, ahead: tuple[float, ...] = AHEAD) -> None:
    """Solve queries and keys of the first layer's first heads so that time meets time, on what that layer really sees.

    codes: [batch, 4, 1500], melody: [batch, 235] pitch classes
    """
    attention = lm.transformer.layers[0].self_attn
    width = lm.dim // attention.num_heads
    prefix, music = first_layer_input(lm, codes, melody)  # [batch, 235, dim], [batch, steps, dim]
    batch, steps = music.shape[:2]
    # Keys of the music itself should match nothing; they count little, or the prefix would be told apart less well.
    seen = torch.cat([prefix, 0.03 * music], dim=1).flatten(0, 1)
    hands = torch.cat([clock(torch.arange(CHROMA_FRAMES).float(), width), torch.zeros(steps, width)])
    keys = solve(seen, hands.repeat(batch, 1))
    moment = torch.arange(steps) / FRAMES_PER_CHROMA
    for head, offset in enumerate(ahead):
        queries = solve(music.flatten(0, 1), SHARPNESS * clock(moment + offset, width).repeat(batch, 1))
        rows = slice(head * width, (head + 1) * width)
        attention.in_proj_weight[: lm.dim][rows] = queries
        attention.in_proj_weight[lm.dim : 2 * lm.dim][rows] = keys


def hold_aligned_heads(lm: LMModel) -> None:
    """Keep those queries and keys as they are: early noise from the rest of the model would dissolve them."""
    weight = lm.transformer.layers[0].self_attn.in_proj_weight
    rows = len(AHEAD) * (lm.dim // lm.transformer.layers[0].self_attn.num_heads)
    free = torch.ones_like(weight)
    free[:rows] = free[lm.dim : lm.dim + rows] = 0
    weight.register_hook(lambda gradient: gradient * free)


@torch.no_grad()
def raise_melody(lm: LMModel, rms: float = 0.8) -> None:
    """Make the melody's part of the prefix as loud as the position's."""
    projection = lm.condition_provider.conditioners["self_wav"].output_proj
    projection.weight *= rms / projection.weight.square().mean().sqrt()
    projection.bias.zero_()


def first_layer_input(lm: LMModel, codes: torch.Tensor, melody: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the first self-attention is given: melody prefix and music, embedded, placed, normed."""
    inputs, _ = delayed(codes, lm.special_token_id)
    music = torch.stack([lm.emb[book](inputs[:, book]) for book in range(lm.n_q)]).sum(0)
    x = torch.cat([embed_melody(lm, melody), music], dim=1)
    x = x + create_sin_embedding(torch.arange(x.shape[1]).view(1, -1, 1), lm.dim)
    return lm.transformer.layers[0].norm1(x).split([melody.shape[1], music.shape[1]], dim=1)


def clock(time: torch.Tensor, width: int) -> torch.Tensor:
    """Hands of many speeds: two moments agree in all of them only if they are the same. -> [times, width]"""
    periods = torch.logspace(0.6, 2.7, width // 2)  # 4 to 500 chroma frames
    phase = 2 * torch.pi * time[:, None] / periods
    return torch.cat([phase.cos(), phase.sin()], dim=1)


def solve(seen: torch.Tensor, wanted: torch.Tensor, ridge: float = 1e-1) -> torch.Tensor:
    """The linear map from what is seen to what is wanted, by ridge regression. -> [wanted dim, seen dim]"""
    gram = seen.T @ seen + ridge * len(seen) / 100 * torch.eye(seen.shape[1])
    return torch.linalg.solve(gram, seen.T @ wanted).T
