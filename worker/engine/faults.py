"""Whose fault an error is: the song's, the memory's, or the device's."""

from __future__ import annotations

import torch


def is_of_the_device(error: BaseException) -> bool:
    """After such an error nothing runs on the device any more in this process: only a fresh one can help."""
    if isinstance(error, torch.OutOfMemoryError):
        return False
    if isinstance(error, getattr(torch, "AcceleratorError", ())):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(
        sign in text for sign in ("CUDA error", "CUBLAS_STATUS", "CUDNN_STATUS", "device-side assert")
    )
