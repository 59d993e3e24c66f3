"""Hold how large an installation is: the one place, from which messages and documents have their figures.

Counted by `python -m tools.install_size`, in units of 10^9 bytes; a test compares them with what is installed.
"""

from __future__ import annotations

CPU_GB = 1.6
USUAL_GB = 5.5
CPU_DOWNLOAD_GB = 0.5
USUAL_DOWNLOAD_GB = 3.0
DEV_GB = 1.4  # what the tools for tests and checks add to the CPU's; with CUDA half, since Triton is there
SPARE_GB = 1.0  # for what is unpacked and downloaded meanwhile
