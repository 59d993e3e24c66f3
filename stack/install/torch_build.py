"""Choose the build of torch: the CPU's own where no NVIDIA driver is, otherwise the usual one, with CUDA.

PyPI's torch for Linux is built for CUDA, on x86_64 and (since 2.11) on aarch64, and brings several GB of NVIDIA's
libraries. Builds for the CPU alone (version `2.11.0+cpu`) are on PyTorch's own index. For macOS there is only one.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from stack.install.failures import InstallFailed
from stack.install.sizes import CPU_DOWNLOAD_GB, CPU_GB, USUAL_DOWNLOAD_GB, USUAL_GB

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_S = 6.0
NVIDIA_SMI_S = 10.0
LIBRARY_FOLDERS = ("usr/lib", "usr/lib64", "lib", "lib64", "usr/lib/wsl/lib", "usr/lib/*-linux-gnu", "usr/local/lib")


class Build(StrEnum):
    CPU = "cpu"
    USUAL = "usual"


@dataclass(frozen=True)
class Machine:
    """Hold what the choice depends on: the system (as sys.platform names it), and where its folders lie."""

    system: str
    root: Path = Path("/")

    def has_driver_files(self) -> bool:
        """Tell whether the NVIDIA kernel module, or the library that its driver brings, is here."""
        if (self.root / "proc/driver/nvidia").exists():
            return True
        return any(any(self.root.glob(f"{folder}/libcuda.so*")) for folder in LIBRARY_FOLDERS)

    def has_nvidia_driver(self) -> bool:
        return self.has_driver_files() or _nvidia_smi_finds_a_gpu()


def _nvidia_smi_finds_a_gpu() -> bool:
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    try:
        asked = subprocess.run([program, "-L"], capture_output=True, stdin=subprocess.DEVNULL, timeout=NVIDIA_SMI_S)
    except (OSError, subprocess.SubprocessError):
        return False
    return asked.returncode == 0


def chosen_by_hand(machine: Machine, *, cpu: bool, cuda: bool) -> Build | None:
    """Return what CPU=1 or CUDA=1 ask for. Raises InstallFailed for both, and for a build that does not exist."""
    if cpu and cuda:
        raise InstallFailed("CPU=1 and CUDA=1 exclude each other: leave one of them out")
    if cuda and machine.system != "linux":
        raise InstallFailed(f"CUDA=1: torch has no CUDA build for {machine.system}; leave it out")
    if cpu and machine.system == "linux":
        return Build.CPU
    return Build.USUAL if cuda else None


def choose(machine: Machine, index: str) -> tuple[Build, str]:
    """Choose for this machine; returns what is to be said of it, too. Asks the index only where it would be used."""
    if machine.system != "linux":
        return Build.USUAL, ""
    if machine.has_nvidia_driver():
        return Build.USUAL, "an NVIDIA driver is here: taking torch with CUDA (CPU=1 takes the CPU's build)"
    if reason := why_unreachable(index):
        return Build.USUAL, cost_of_fallback(index, reason)
    return Build.CPU, f"no NVIDIA driver here: taking torch's CPU build from {index} (CUDA=1 takes the other)"


def cost_of_fallback(index: str, reason: str) -> str:
    return (
        f"torch's CPU build cannot be taken from {index} ({reason}): taking the usual one with CUDA, {USUAL_GB} GB on "
        f"disk instead of {CPU_GB} GB and {USUAL_DOWNLOAD_GB} GB to download instead of {CPU_DOWNLOAD_GB} GB; "
        "TORCH_INDEX names another index"
    )


def address_of(index: str) -> str:
    """Return an index as installers want it: a folder as a file: address."""
    if "://" in index:
        return index.rstrip("/")
    return Path(index).expanduser().resolve().as_uri()


def why_unreachable(index: str, timeout_s: float = PROBE_S) -> str:
    """Return why the index does not answer for torch within that time; empty when it does."""
    reasons = [f"no answer within {timeout_s:g} s"]
    # a thread: looking a name up knows no time limit
    probe = threading.Thread(target=lambda: reasons.insert(0, _probe(f"{index}/torch/", timeout_s)), daemon=True)
    probe.start()
    probe.join(timeout_s)
    return reasons[0]


def _probe(url: str, timeout_s: float) -> str:
    try:
        if url.startswith("file:"):
            with urllib.request.urlopen(f"{url}index.html", timeout=timeout_s):
                return ""
        with urllib.request.urlopen(url, timeout=timeout_s):
            return ""
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
