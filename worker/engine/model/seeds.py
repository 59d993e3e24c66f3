"""Seed what audiocraft and demucs draw from process-wide generators, so that equal requests give equal clips.

* demucs draws its shifts from Python's process-wide `random`. It is given a stand-in for that module: a thread that
  separates a melody draws from the separation's seed (`chroma_cache.py`), every other thread as before. So no one
  else's draws can change a melody, and no melody changes anyone else's draws.
* audiocraft's own loop draws from torch's process-wide generator: engines of one process share it one at a time.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

GENERATORS = threading.Lock()  # locked while anything here draws from torch's process-wide generator
_of_thread = threading.local()


class SeededRandom:
    """Stand in for the module `random`: draw from a seed in a thread that is `melody_seeded`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(_of_thread, "random", random), name)


def install_seeded_random() -> None:
    """Give demucs a `random` that draws from a thread's own seed. Call before the first separation; idempotent."""
    from worker.engine.imports import demucs  # only melody models that separate their sources need it

    stand_in = SeededRandom()
    for module in (demucs.apply, demucs.transformer):
        vars(module)["random"] = stand_in


@contextmanager
def melody_seeded(seed: int) -> Iterator[None]:
    """Let demucs draw from that seed in this thread."""
    before = getattr(_of_thread, "random", random)
    _of_thread.random = random.Random(seed)
    try:
        yield
    finally:
        _of_thread.random = before


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's generator, which is the process's own: one request at a time."""
    with GENERATORS:
        torch.manual_seed(seed)
        yield
