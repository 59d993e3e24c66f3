"""Access to the quantizer's codebooks, and how many of their entries are in use."""

import torch
from audiocraft.models.encodec import EncodecModel
from audiocraft.quantization.core_vq import EuclideanCodebook


def codebooks(codec: EncodecModel) -> list[EuclideanCodebook]:
    """The codebooks, coarsest first."""
    return [layer._codebook for layer in codec.quantizer.vq.layers]


@torch.no_grad()
def perplexities(codes: torch.Tensor, bins: int) -> list[float]:
    """How many entries of each codebook are in use, effectively. codes: [batch, books, frames]"""
    result = []
    for book in range(codes.shape[1]):
        share = torch.bincount(codes[:, book].flatten().long(), minlength=bins).float()
        share = share / share.sum()
        result.append(float(torch.exp(-(share * torch.log(share + 1e-9)).sum())))
    return result
