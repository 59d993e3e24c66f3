"""Classify an engine's errors (the request's own, out of memory, the device's), and turn them into public ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from shared.errors import ConfigurationError, GenerationFailed, OstinatoError, OutOfMemory
from worker.engine.core.handle import Cancelled

log = logging.getLogger(__name__)

DEVICE_SIGNS = ("CUDA error", "CUBLAS_STATUS", "CUDNN_STATUS", "device-side assert")
# of the device, of the host, and of the libraries' workspaces
MEMORY_SIGNS = ("out of memory", "can't allocate memory", "ALLOC_FAILED", "ALLOCATION_FAILED")
CAPTURE_SIGN = "captur"  # in the text of every error of CUDA's about captures


class RunnerFailed(Exception):
    """Say that a checkpoint that was loaded cannot be decoded in the chosen way on this machine."""


@contextmanager
def running_fails() -> Iterator[None]:
    """Raise RunnerFailed for every error inside, but for settings that exclude each other."""
    try:
        yield
    except (ConfigurationError, RunnerFailed):
        raise
    except Exception as error:
        if type(error) is LookupError:  # kernels that this CPU does not run; a KeyError is anybody's bug
            raise
        raise RunnerFailed(f"{type(error).__name__}: {error}") from error


def is_device_error(error: BaseException) -> bool:
    """Tell whether the error leaves the device unusable in this process: only a new process can decode again.

    Memory that is not there does not, whatever asked for it, nor does a capture that was ended: it only says that
    something failed within it, which its context names.
    """
    if is_out_of_memory(error):
        return False
    if isinstance(error, RuntimeError) and CAPTURE_SIGN in str(error):
        return error.__context__ is not None and is_device_error(error.__context__)
    if isinstance(error, getattr(torch, "AcceleratorError", ())):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in DEVICE_SIGNS)


def public_error(error: Exception) -> Exception:
    """Return the error for callers: ours and cancellations as they are, OutOfMemory, or GenerationFailed for the rest.

    It has no traceback, whose frames would keep the request's tensors alive as long as its handle.
    """
    if isinstance(error, Cancelled | OstinatoError):
        return error.with_traceback(None)
    log.warning("a request failed", exc_info=error)
    text = f"{type(error).__name__}: {error}"
    ours: OstinatoError
    if is_out_of_memory(error):
        ours = OutOfMemory(f"no memory for this piece; ask for a shorter one ({text})")
    else:
        ours = GenerationFailed(f"the model failed on this piece; try again ({text})")
    ours.__cause__ = error.with_traceback(None)
    return ours


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether there was no memory, the device's or the host's."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in MEMORY_SIGNS)
    )
