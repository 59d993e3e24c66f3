"""Let several threads enter one autocast at the same time (`ThreadAutocast`, `share_autocast`).

torch's object keeps in itself what to go back to: a second thread that enters it overwrites what the first came from.
"""

from __future__ import annotations

import threading
from typing import Any

import torch

from worker.engine.imports.audiocraft import TorchAutocast


class ThreadAutocast(TorchAutocast):
    """Stand in for one of audiocraft's: each thread opens an autocast of its own, of the same device and dtype.

    Weights that were cast are not kept: torch keeps them for the whole process, where a thread on another CUDA stream
    would read them before they are there.
    """

    def __init__(self, of: TorchAutocast) -> None:
        self.autocast = of.autocast
        self._opened = threading.local()

    def __enter__(self) -> None:
        if self.autocast is not None:
            device, dtype, enabled = self.autocast.device, self.autocast.fast_dtype, self.autocast._enabled
            opened = torch.autocast(device, dtype, enabled=enabled, cache_enabled=False)
            opened.__enter__()
            self._stack().append(opened)

    def __exit__(self, *error: Any, **_: Any) -> None:
        if self.autocast is not None:
            self._stack().pop().__exit__(*error)

    def _stack(self) -> list[torch.autocast]:
        found: list[torch.autocast] = self._opened.__dict__.setdefault("stack", [])
        return found


def share_autocast(conditioner: Any) -> None:
    """Let several threads run a conditioner of audiocraft's that has an autocast of its own."""
    if isinstance(getattr(conditioner, "autocast", None), TorchAutocast):
        conditioner.autocast = ThreadAutocast(conditioner.autocast)
