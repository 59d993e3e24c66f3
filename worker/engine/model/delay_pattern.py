"""Lay out codes in the delay pattern: codebook q of frame f is at step 1 + f + delay[q].

Step 0 holds special tokens only. A sequence is one buffer [codebooks, steps], laid out before decoding starts: special
tokens where no frame stands, codes that are known (a window's overlap, an audio prompt), and UNKNOWN where a token will
be sampled. So a decode step needs no case distinction: it samples everything, and keeps what was known. (MusicGen,
Copet et al. 2023, section 2.2.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from worker.engine.imports.audiocraft import MusicGen

UNKNOWN = -1


@dataclass(frozen=True)
class DelayPattern:
    """Map frames to steps and back. `special` is the token for no frame: the codebook's size."""

    delays: tuple[int, ...]
    special: int

    def steps(self, frames: int) -> int:
        """Return the length of a sequence of so many frames, step 0 included."""
        return 1 + frames + max(self.delays)

    def first_step(self, known: int) -> int:
        """Return the first step that holds a frame after the `known` ones: all before it are given."""
        return 1 + known

    def lay_out(self, frames: int, known: torch.Tensor) -> torch.Tensor:
        """Lay out a window. known [codebooks, known frames] -> a sequence [codebooks, steps] int64"""
        sequence = torch.full((len(self.delays), self.steps(frames)), self.special, dtype=torch.int64)
        for codebook, delay in enumerate(self.delays):
            start = 1 + delay
            sequence[codebook, start : start + frames] = UNKNOWN
            sequence[codebook, start : start + known.shape[1]] = known[codebook]
        return sequence

    def codes(self, sequence: torch.Tensor, frames: int) -> torch.Tensor:
        """Read the codes of the first so many frames. [codebooks, steps] -> [codebooks, frames]"""
        rows = [sequence[codebook, 1 + delay : 1 + delay + frames] for codebook, delay in enumerate(self.delays)]
        return torch.stack(rows)


def pattern_of(model: MusicGen) -> DelayPattern:
    """Return the model's delay pattern as this engine's own."""
    provider: Any = model.lm.pattern_provider  # a delay pattern: the decoder refuses any other
    return DelayPattern(tuple(provider.delays), model.lm.card)
