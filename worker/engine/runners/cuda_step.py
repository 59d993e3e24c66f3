"""Compute one decode step of a bucket of slots, from the tokens read to the tokens written: what a CUDA graph records.

Everything it reads and writes lies in tensors at fixed addresses, and nothing in it waits for the host. So the host
sets a slot up once, and then only marks which slots are active.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from worker.engine.model.decoder import Decoder
from worker.engine.model.sampler import SamplingParameters, sample
from worker.engine.runners.static_kv_cache import StaticKvCache

STEP, PREFIX, DECODED, TOP_K, TEXT, ONE_HALF, SEED_LOW, SEED_HIGH = range(8)
TEMPERATURE, TOP_P, GUIDANCE = range(3)
WIDEST_TOP_K = 256  # above it, and for top_p, the logits are sorted


@dataclass(frozen=True)
class StepShape:
    """Describe what a step's kernels depend on, beside the model. There is one graph for each shape."""

    slots: int
    context: int  # positions read of each row; at most so many, where attention reads each row's own
    text: int  # tokens read of each prompt, likewise; 0 without cross-attention
    halves: int  # 1 when no sequence needs its null half
    sorts: bool  # whether some sequence samples by top_p, or by a wide top_k


class SlotState:
    """Hold each slot's state on the device. `numbers` and `reals` have a row a slot, columns as named above."""

    def __init__(self, slots: int, codebooks: int, steps: int, device: torch.device) -> None:
        self.numbers = torch.zeros(slots, 8, dtype=torch.int64, device=device)
        self.reals = torch.zeros(slots, 3, device=device)
        self.tokens = torch.zeros(slots, codebooks, steps, dtype=torch.int64, device=device)
        self.active = torch.zeros(slots, dtype=torch.int64, device=device)  # 1 where the step counts
        # the newest tokens of each slot, then 1 where its logits were numbers
        self.outcome = torch.zeros(slots, codebooks + 1, dtype=torch.int64, device=device)

    def move(self, source: int, target: int) -> None:
        for tensor in (self.numbers, self.reals, self.tokens):
            tensor[target] = tensor[source]


def run_step(decoder: Decoder, cache: StaticKvCache, state: SlotState, shape: StepShape) -> None:
    """Decode one step of the first `shape.slots` slots: attention, guidance, sampling, then the new tokens' write."""
    slots = shape.slots
    numbers, reals, tokens = state.numbers[:slots], state.reals[:slots], state.tokens[:slots]
    active = state.active[:slots]
    logits = step_logits(decoder, cache, state, shape)  # [slots, halves, codebooks, card]
    guided = logits[:, 0]
    if shape.halves == 2:
        null = logits[:, 1]
        both = null + (guided - null) * reals[:, GUIDANCE, None, None]
        guided = torch.where(numbers[:, ONE_HALF, None, None] > 0, guided, both)
    parameters = SamplingParameters(
        reals[:, TEMPERATURE],
        numbers[:, TOP_K],
        reals[:, TOP_P],
        numbers[:, SEED_LOW : SEED_HIGH + 1].to(torch.int32),
        widest_top_k=WIDEST_TOP_K,
        any_top_p=shape.sorts,
    )
    sampled = sample(guided, numbers[:, DECODED], parameters)  # [slots, codebooks]
    next_step = (numbers[:, STEP, None, None] + 1).expand(-1, tokens.shape[1], 1)  # [slots, codebooks, 1]
    given = tokens.gather(2, next_step).squeeze(2)
    new = torch.where((given < 0) & (active > 0)[:, None], sampled, given)
    tokens.scatter_(2, next_step, new[:, :, None])
    outcome = state.outcome[:slots]
    outcome[:, :-1] = new
    outcome[:, -1] = guided.isfinite().flatten(1).all(dim=1)
    numbers[:, STEP] += active
    numbers[:, DECODED] += active


def step_logits(decoder: Decoder, cache: StaticKvCache, state: SlotState, shape: StepShape) -> torch.Tensor:
    """Compute the logits of the slots' next step; nothing advances. -> [slots, halves, codebooks, card] float32"""
    slots, halves = shape.slots, shape.halves
    numbers, tokens = state.numbers[:slots], state.tokens[:slots]
    step = numbers[:, STEP]
    current = tokens.gather(2, step[:, None, None].expand(-1, tokens.shape[1], 1)).squeeze(2)  # [slots, codebooks]
    positions = numbers[:, PREFIX] + step
    x = decoder.embed(current) + decoder.positions(positions)  # [slots, dim]
    x = x[:, None].expand(-1, halves, -1).reshape(slots * halves, decoder.dim)
    newest = positions[:, None].expand(-1, halves).reshape(-1)  # [rows]
    attending = cache.attention(newest, numbers[:, TEXT], shape.context, shape.text, decoder.dtype)

    def attend(layer: int, qkv: torch.Tensor) -> torch.Tensor:
        return attending.attend(cache.rows(layer, len(qkv), halves), qkv)

    def cross_attend(layer: int, queries: torch.Tensor) -> torch.Tensor:
        return attending.cross_attend(cache.text(layer, len(queries)), queries)

    x = decoder.layers_forward(x, attend, cross_attend, slice(None, None, halves) if shape.text else None)
    return decoder.logits(x).view(slots, halves, decoder.codebooks, decoder.card)
