"""What went wrong with a piece, as callers know it. For any engine."""

from __future__ import annotations

import logging

import torch

from shared.errors import GenerationFailed, OstinatoError, OutOfMemory
from worker.engine.handle import Cancelled

log = logging.getLogger(__name__)


def named(error: Exception) -> Exception:
    """The error as callers know it: ours and cancellations as they are, no memory as such, others as a failure.

    Without its traceback, whose frames would keep the piece's tensors alive as long as its handle.
    """
    if isinstance(error, Cancelled | OstinatoError):
        return error.with_traceback(None)
    log.warning("a piece failed", exc_info=error)
    text = f"{type(error).__name__}: {error}"
    no_memory = isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
    )
    ours: OstinatoError
    if no_memory:
        ours = OutOfMemory(f"no memory for this piece; ask for a shorter one ({text})")
    else:
        ours = GenerationFailed(f"the model failed on this piece; try again ({text})")
    ours.__cause__ = error.with_traceback(None)
    return ours
