"""Compute how much cache memory a slot takes, and how many slots fit; give memory back."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil
import torch

from worker.engine.imports.audiocraft import MusicGen
from worker.engine.model.decoder import Decoder

MAX_TEXT_TOKENS = 512  # tokens of a prompt, at most: what MAX_PROMPT_TOKENS is by default
MAX_SLOTS_ON_CPU = 16  # more sequences at once gain nothing there
MAX_SLOTS = 128
RESERVE_BYTES = 5 * 2**29  # beside slots and codec: source separation, graphs, a prefill
SAMPLING_COPIES = 8  # float32 copies of a sequence's logits while it is sampled


@dataclass(frozen=True)
class Capacity:
    """Say what one sequence needs at most: steps, prefix positions and text tokens."""

    steps: int  # of one window, step 0 included
    prefix: int  # positions before the codes: melody and text, where they are prepended
    text: int  # tokens that are cross-attended to; 0 without cross-attention

    @property
    def positions(self) -> int:
        """Return the positions of a window, in multiples of 8, as attention kernels like their masks."""
        return -(-(self.prefix + self.steps) // 8) * 8

    @classmethod
    def of(cls, model: MusicGen, steps: int) -> Capacity:
        """Read the capacity off a model, for windows of so many steps."""
        lm: Any = model.lm
        conditioners = lm.condition_provider.conditioners
        prepended = lm.fuser.fuse2cond["prepend"]
        prefix = sum(getattr(conditioners[name], "chroma_len", MAX_TEXT_TOKENS) for name in prepended)
        return cls(steps, prefix, MAX_TEXT_TOKENS if lm.fuser.fuse2cond["cross"] else 0)


def slot_bytes(decoder: Decoder, capacity: Capacity) -> int:
    """Return the bytes of a slot of the static cache:

    layers x 2 (keys, values) x 2 (halves) x positions x dim x itemsize, the same for the text of one half, 8 bytes a
    token of every codebook, and the logits while they are sampled.
    """
    crossing = sum(layer.cross is not None for layer in decoder.layers)
    own = len(decoder.layers) * 2 * 2 * capacity.positions * decoder.dim * decoder.dtype.itemsize
    text = crossing * 2 * capacity.text * decoder.dim * decoder.dtype.itemsize
    tokens = decoder.codebooks * (capacity.steps + 1) * 8
    return own + text + tokens + (2 + SAMPLING_COPIES) * decoder.codebooks * decoder.card * 4


def return_free_memory() -> None:
    """Give what was freed back to the system, where the C library can: it keeps what lies between pieces in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def free_bytes(device: torch.device) -> int:
    """Return how much of the device's memory is free."""
    if device.type != "cuda":
        return int(psutil.virtual_memory().available)
    return int(torch.cuda.mem_get_info(device)[0])


def peak_bytes(device: torch.device, do: Callable[[], object]) -> int:
    """Return the most memory of a GPU that `do` has at once, and give it back."""
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    do()
    peak = torch.cuda.max_memory_allocated(device) - before
    torch.cuda.empty_cache()
    return int(peak)


def slots_that_fit(bytes_per_slot: int, device: torch.device, codec_bytes: int) -> int:
    """Return how many slots fit, at least one: into half of a CPU's free memory, or a GPU's.

    `codec_bytes`: what the codec takes of a GPU at its peak.
    """
    if device.type != "cuda":
        return max(1, min(MAX_SLOTS_ON_CPU, free_bytes(device) // 2 // bytes_per_slot))
    return slots_beside(free_bytes(device), bytes_per_slot, codec_bytes)


def slots_beside(free: int, bytes_per_slot: int, codec_bytes: int) -> int:
    """Return how many slots fit into a GPU's free bytes beside codec and reserve; of a small card these have half."""
    reserve = min(codec_bytes + RESERVE_BYTES, free // 2)
    return max(1, min(MAX_SLOTS, (free - reserve) // bytes_per_slot))
