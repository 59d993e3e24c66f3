"""Whose fault an error is: the song's, the memory's, or the device's; and how callers hear of it. For any engine."""

from __future__ import annotations

import logging

import torch

from shared.errors import GenerationFailed, OstinatoError, OutOfMemory
from worker.engine.core.handle import Cancelled

log = logging.getLogger(__name__)


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


def named(error: Exception) -> Exception:
    """The error as callers know it: ours and cancellations as they are, no memory as such, others as a failure.

    Without its traceback, whose frames would keep the piece's tensors alive as long as its handle.
    """
    if isinstance(error, Cancelled | OstinatoError):
        return error.with_traceback(None)
    log.warning("a piece failed", exc_info=error)
    text = f"{type(error).__name__}: {error}"
    ours: OstinatoError
    if _is_of_the_memory(error):
        ours = OutOfMemory(f"no memory for this piece; ask for a shorter one ({text})")
    else:
        ours = GenerationFailed(f"the model failed on this piece; try again ({text})")
    ours.__cause__ = error.with_traceback(None)
    return ours


def _is_of_the_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError)
        and any(sign in str(error) for sign in ("out of memory", "can't allocate memory"))
    )
