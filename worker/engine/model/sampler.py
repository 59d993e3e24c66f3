"""Sample tokens from logits for many sequences at once, each with its own temperature, top-k, top-p and seed.

Sampling is Gumbel-max over noise that is a pure function of (seed, step, codebook, token): no generator has a state, so
a sequence's tokens depend on its own seed and logits only, whatever else is in the batch. It stays on the device.

Precedence is audiocraft's: top_p above 0 wins over top_k; both 0 is the plain distribution; temperature 0 is greedy.
The hash is MurmurHash3's 32-bit finaliser (Appleby, public domain), twice, under a key from (seed, step, codebook).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch


def _signed(value: int) -> int:
    """Return the same 32 bits as a signed number: torch multiplies int32 with wrap-around, and with SIMD."""
    return value - 2**32 if value >= 2**31 else value


GOLDEN = _signed(0x9E3779B9)  # 2**32 / golden ratio: spreads consecutive counters
MIX_1, MIX_2 = _signed(0x85EBCA6B), _signed(0xC2B2AE35)


@dataclass
class SamplingParameters:
    """Hold the parameters, one row per slot; an unused slot holds anything valid. `top_k` 0 and `top_p` 0 mean off.

    The tensors live on the device. `widest_top_k` and `any_top_p` are the host's summary of them, so that choosing the
    cheaper way needs no synchronisation; too large or too careful a summary costs time and changes nothing.
    """

    temperature: torch.Tensor  # [slots] float32
    top_k: torch.Tensor  # [slots] int64
    top_p: torch.Tensor  # [slots] float32
    seed: torch.Tensor  # [slots, 2] int32: low and high half
    widest_top_k: int = field(default=0)
    any_top_p: bool = field(default=True)


def seed_halves(seed: int) -> list[int]:
    """Split a seed of up to 64 bits into two signed 32-bit numbers, low half first."""
    return [_signed(seed & 0xFFFFFFFF), _signed((seed >> 32) & 0xFFFFFFFF)]


def sample(logits: torch.Tensor, steps: torch.Tensor, parameters: SamplingParameters) -> torch.Tensor:
    """Sample one token per sequence and codebook.

    logits [sequences, codebooks, card] float32, guidance already applied; steps [sequences] int64, each one's own.
    Returns [sequences, codebooks] int64.
    """
    greedy = (parameters.temperature <= 0)[:, None, None]
    # not torch.where with a number: on a GPU it would be copied there, and waited for
    scaled = logits / parameters.temperature[:, None, None].masked_fill(greedy, 1.0)
    if parameters.any_top_p:
        allowed = by_top_p(scaled, parameters.top_p, parameters.top_k)
    else:
        allowed = by_top_k(scaled, parameters.top_k, parameters.widest_top_k)
    noise = gumbel(parameters.seed, steps, logits.shape[1], logits.shape[2])
    noisy = torch.where(greedy, scaled, scaled + noise)
    return noisy.masked_fill(~allowed, -torch.inf).argmax(dim=-1)


def by_top_k(scaled: torch.Tensor, top_k: torch.Tensor, widest: int) -> torch.Tensor:
    """Allow tokens at least as likely as the k-th, ties included, as audiocraft does. [sequences, codebooks, card]"""
    off = (top_k <= 0)[:, None, None]
    if widest <= 0:
        return torch.ones_like(scaled, dtype=torch.bool)
    likeliest = scaled.topk(min(widest, scaled.shape[-1]), dim=-1).values  # [sequences, codebooks, widest], descending
    last = (top_k.clamp(1, likeliest.shape[-1]) - 1)[:, None, None].expand(-1, scaled.shape[1], 1)
    return (scaled >= likeliest.gather(-1, last)) | off


def by_top_p(scaled: torch.Tensor, top_p: torch.Tensor, top_k: torch.Tensor) -> torch.Tensor:
    """Allow a token while the mass of the likelier ones is at most p; where p is off, top-k decides."""
    ordered, order = scaled.sort(dim=-1, descending=True, stable=True)  # [sequences, codebooks, card] each
    mass = ordered.softmax(dim=-1)
    kept = mass.cumsum(dim=-1) - mass <= top_p[:, None, None]
    by_p = torch.zeros_like(kept).scatter(-1, order, kept)
    return torch.where((top_p > 0)[:, None, None], by_p, by_top_k(scaled, top_k, scaled.shape[-1]))


def gumbel(seed: torch.Tensor, steps: torch.Tensor, codebooks: int, card: int) -> torch.Tensor:
    """Return standard Gumbel noise. seed [rows, 2] int32, steps [rows] int64 -> [rows, codebooks, card] float32"""
    codebook = torch.arange(codebooks, dtype=torch.int32, device=seed.device)
    token = torch.arange(card, dtype=torch.int32, device=seed.device)
    counter = steps.to(torch.int32)[:, None] * codebooks + codebook  # [sequences, codebooks]
    key = mixed(mixed(seed[:, :1] + counter * GOLDEN) ^ seed[:, 1:])  # [sequences, codebooks]
    bits = mixed(mixed(key[..., None] + token * GOLDEN) ^ mixed(key + 1)[..., None])  # [sequences, codebooks, card]
    uniform = (bits & 0x7FFFFFFF).to(torch.float32).add_(0.5).mul_(2.0**-31)
    # near 0 float32 is fine-grained, which is where the large values come from; near 1 it rounds up to 1
    return uniform.clamp_(max=1 - 2.0**-24).neg_().log1p_().neg_().log_().neg_()


def mixed(value: torch.Tensor) -> torch.Tensor:
    """Mix 32-bit values by a bijection that flips about half of the bits when one changes. int32, wrapping."""
    value = value ^ ((value >> 16) & 0xFFFF)  # the mask makes the arithmetic shift a logical one
    value = value * MIX_1
    value = value ^ ((value >> 13) & 0x7FFFF)
    value = value * MIX_2
    return value ^ ((value >> 16) & 0xFFFF)
