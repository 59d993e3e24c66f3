"""How much room a song takes, and how many songs fit. Owns the capacities and the formula; allocates nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psutil
import torch
from audiocraft.models import MusicGen

from worker.engine.model.decoder import Decoder

TEXT_ROOM = 512  # tokens of a prompt, at most: what MAX_PROMPT_TOKENS is by default
MOST_SLOTS_ON_CPU = 16  # more songs at once gain nothing there
MOST_SLOTS = 128
RESERVE_BYTES = 4 * 2**30  # beside the slots: the codec, source separation, graphs, a prefill
SAMPLING_COPIES = 8  # float32 copies of a song's logits while it is sampled


@dataclass(frozen=True)
class Capacity:
    """What one song may need at most."""

    steps: int  # of one window, step 0 included
    prefix: int  # positions before the codes: melody and text, where they are prepended
    text: int  # tokens that are looked at beside the codes; 0 where nothing is

    @property
    def positions(self) -> int:
        """In multiples of 8, as attention kernels like their masks."""
        return -(-(self.prefix + self.steps) // 8) * 8

    @classmethod
    def of(cls, model: MusicGen, steps: int) -> Capacity:
        lm: Any = model.lm
        conditioners = lm.condition_provider.conditioners
        prepended = lm.fuser.fuse2cond["prepend"]
        prefix = sum(getattr(conditioners[name], "chroma_len", TEXT_ROOM) for name in prepended)
        return cls(steps, prefix, TEXT_ROOM if lm.fuser.fuse2cond["cross"] else 0)


def slot_bytes(decoder: Decoder, room: Capacity) -> int:
    """A slot of the static cache:

    layers x 2 (keys, values) x 2 (halves) x positions x dim x itemsize, the same for the text of one half, 8 bytes a
    token of every codebook, and the logits while they are sampled.
    """
    crossing = sum(layer.cross is not None for layer in decoder.layers)
    own = len(decoder.layers) * 2 * 2 * room.positions * decoder.dim * decoder.dtype.itemsize
    text = crossing * 2 * room.text * decoder.dim * decoder.dtype.itemsize
    tokens = decoder.codebooks * (room.steps + 1) * 8
    return own + text + tokens + (2 + SAMPLING_COPIES) * decoder.codebooks * decoder.card * 4


def slots_that_fit(bytes_per_slot: int, device: torch.device) -> int:
    """At least one. On a CPU as many as half of the free memory holds; on a GPU all of it but a reserve."""
    if device.type != "cuda":
        return max(1, min(MOST_SLOTS_ON_CPU, psutil.virtual_memory().available // 2 // bytes_per_slot))
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(MOST_SLOTS, (free - min(RESERVE_BYTES, free // 4)) // bytes_per_slot))
