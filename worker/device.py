"""Choose the device that a worker runs on, and say why CUDA does not start where there is an NVIDIA driver.

A host with a GPU never makes music on its CPU without saying so: DEVICE=cuda refuses it, and `auto` warns.
"""

from __future__ import annotations

import ctypes
import logging
from pathlib import Path

from shared.errors import ConfigurationError
from shared.settings import Settings

log = logging.getLogger(__name__)


def choose_device(settings: Settings) -> str:
    """Choose the device: by itself never mps, where audiocraft's audio is garbled (its issues 31 and 43).

    Raises ConfigurationError when the one asked for is not there, or does not start.
    """
    import torch

    asked, there = settings.device, ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    why = why_no_cuda()
    if why is None:
        there.insert(0, "cuda")
    if asked == "auto":
        if (reason := cpu_reason(settings)) is not None:
            log.warning("music is made on the CPU: %s; DEVICE=cuda refuses to do so, DEVICE=cpu wants it", reason)
        return "cuda" if why is None else "cpu"
    if asked == "cuda" and why is not None:
        raise ConfigurationError(f"DEVICE=cuda, but {why}; mend that, or set DEVICE=cpu to do without the GPU")
    if asked not in there:
        raise ConfigurationError(f"DEVICE={asked}, but torch finds only: {', '.join(there)}; set one of these, or auto")
    return asked


def cpu_reason(settings: Settings) -> str | None:
    """Return why `auto` takes the CPU although an NVIDIA driver is here; None where it does not."""
    why = why_no_cuda() if settings.device == "auto" else None
    return f"an NVIDIA driver is here, but {why}" if why is not None and has_driver() else None


def why_no_cuda() -> str | None:
    """Return why CUDA cannot be used; None where it can."""
    import torch

    if torch.cuda.is_available():
        return None if torch.version.cuda is None else _too_old()  # None: ROCm
    if torch.version.cuda is None:
        return "this torch was built without CUDA (`make install CUDA=1` takes the build that has it)"
    try:
        torch.cuda.init()
    except Exception as error:
        return f"CUDA {torch.version.cuda} does not start: {str(error).strip().splitlines()[0]}"
    return "CUDA finds no GPU (CUDA_VISIBLE_DEVICES, or the container's own devices)"


def _too_old() -> str | None:
    """Return why torch has no kernels for the GPU; None where it has."""
    import torch

    capability, name = torch.cuda.get_device_capability(), torch.cuda.get_device_name()
    least = min((int(kind[3:]) for kind in torch.cuda.get_arch_list() if kind[3:].isdigit()), default=0)
    if 10 * capability[0] + capability[1] >= least:
        return None
    return (
        f"{name} has compute capability {capability[0]}.{capability[1]}, and this torch has kernels from "
        f"{least // 10}.{least % 10} on"
    )


def has_driver(root: Path = Path("/")) -> bool:
    """Tell whether an NVIDIA driver is here: its kernel module, a GPU's device file, or its library."""
    if (root / "proc/driver/nvidia").exists() or any((root / "dev").glob("nvidia[0-9]*")):
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
