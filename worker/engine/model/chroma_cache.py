"""Separate the sources of a melody once for all requests that bring the same one (`ChromaCache`).

audiocraft's own cache goes by the path of a file, and writes to a disk; melodies here come as samples.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable

import torch

from worker.engine.model.seeds import melody_seeded

SEPARATION_SEED = 0  # of demucs's shifts: with the request's own, each variation on a melody would be separated anew
KEPT = 64  # recordings, of each some 23 KB; a request of several windows has one for each

Compute = Callable[[torch.Tensor, int], torch.Tensor]  # (wave [batch, channels, samples], rate in Hz) -> chroma


class ChromaCache:
    """Stand in for a conditioner's `_compute_wav_embedding`, from any thread; keep the results used last."""

    def __init__(self, compute: Compute, kept: int = KEPT) -> None:
        self._compute = compute
        self._most = kept
        self._kept: OrderedDict[bytes, torch.Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, wave: torch.Tensor, rate_hz: int) -> torch.Tensor:
        """Return the chroma of a batch of waves, kept or computed. [batch, frames, pitch classes]"""
        if wave.shape[-1] == 1:  # audiocraft's sign for no melody: nothing is separated
            return self._compute(wave, rate_hz)
        key = digest_of_wave(wave, rate_hz)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        with melody_seeded(SEPARATION_SEED):
            chroma = self._compute(wave, rate_hz)
        with self._lock:
            self._kept[key] = chroma
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return chroma


def digest_of_wave(wave: torch.Tensor, rate_hz: int) -> bytes:
    """Return what two waves have in common only when all of their samples, their shape and their rate are the same."""
    samples = wave.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{tuple(samples.shape)} {samples.dtype} {rate_hz}".encode())
    digest.update(samples.view(torch.uint8).numpy().data)
    return digest.digest()
