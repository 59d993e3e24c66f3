"""Where chance comes from in audiocraft, and how a piece's own seed gets there. Knows nothing of decoding.

* demucs draws its shifts from Python's process-wide `random`. It is given a stand-in for that module: a thread that
  is making a piece draws from the piece's seed, every other thread as before. So nobody else's draws can change a
  melody, and no piece changes anybody else's draws.
* audiocraft's own loop draws from torch's process-wide generator: engines of one process take turns there.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

GENERATORS = threading.Lock()  # held while anything here draws from torch's process-wide generator
_of_thread = threading.local()


class PiecesRandom:
    """As the module `random`, but from the piece's seed where a thread is making one."""

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(_of_thread, "random", random), name)


def give_demucs_seeds() -> None:
    """Before the first separation; again does nothing new."""
    import demucs.apply  # only melody models that separate their sources need it
    import demucs.transformer

    stand_in = PiecesRandom()
    for module in (demucs.apply, demucs.transformer):
        vars(module)["random"] = stand_in


@contextmanager
def melody_seeded(seed: int) -> Iterator[None]:
    """What this thread lets demucs draw comes from that seed."""
    before = getattr(_of_thread, "random", random)
    _of_thread.random = random.Random(seed)
    try:
        yield
    finally:
        _of_thread.random = before


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The same, and torch's generator too, which is the process's own: one piece at a time."""
    with GENERATORS, melody_seeded(seed):
        torch.manual_seed(seed)
        yield
