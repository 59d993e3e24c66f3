"""Let demucs find random weights in a folder (`demucs_below`), and nothing be asked of the network for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch


@contextmanager
def demucs_below(folder: Path) -> Iterator[None]:
    """Let demucs find what `write_demucs` (tools/random_checkpoint.py) has written to that folder, and nothing else."""
    from huggingface_hub import constants

    before, offline = torch.hub.get_dir(), constants.HF_HUB_OFFLINE
    torch.hub.set_dir(str(folder / "hub"))
    constants.HF_HUB_OFFLINE = True  # demucs asks there first
    try:
        yield
    finally:
        torch.hub.set_dir(before)
        constants.HF_HUB_OFFLINE = offline
