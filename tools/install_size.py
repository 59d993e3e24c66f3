"""Count how large an installation is by the packages' own file lists: `python -m tools.install_size`.

Reads this environment, which may have the tools for tests too. The CPU's figure leaves out what its build of torch does
without: other packages, and the files of torch itself that are CUDA's. What is compiled at the first import is in none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

from stack.install import requirement_lists as lists

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"
# of torch's usual build for Linux, compared with the list of one for the CPU
CUDA_FILES = re.compile(
    r"torch/lib/lib(torch_cuda|torch_cuda_linalg|torch_nvshmem|c10_cuda|caffe2_nvrtc)\.so$|torch/bin/ptxas$"
)


def package_sizes() -> dict[str, int]:
    """Return the bytes of each installed package, without CUDA's part of torch, which is under `torch[cuda]`."""
    sizes: dict[str, int] = {}
    for package in distributions():
        of_cuda, rest = _size(package, with_cuda=True), _size(package, with_cuda=False)
        sizes[lists.name_of(package.metadata["Name"])] = rest
        if of_cuda:
            sizes["torch[cuda]"] = of_cuda
    return sizes


def _size(package: Distribution, *, with_cuda: bool) -> int:
    return sum(file.size or 0 for file in package.files or () if bool(CUDA_FILES.match(str(file))) is with_cuda)


def cpu_bytes(sizes: dict[str, int]) -> int:
    """Return the bytes of what `make install` installs for the CPU."""
    lines = lists.read_lines(REQUIREMENTS, lists.RUN)
    return _total(sizes, [*lists.names_of(lists.without_gpu(lines)), *lists.TORCH])


def usual_bytes(sizes: dict[str, int]) -> int:
    """Return the bytes of what it installs with CUDA; less where this environment has the CPU's build."""
    return _total(sizes, [*lists.names_of(lists.read_lines(REQUIREMENTS, lists.RUN)), "torch[cuda]"])


def dev_bytes(sizes: dict[str, int]) -> int:
    """Return the bytes that the tools for tests and checks add to what is installed for the CPU."""
    run = lists.names_of(lists.without_gpu(lists.read_lines(REQUIREMENTS, lists.RUN))) | set(lists.TORCH)
    return _total(sizes, lists.names_of(lists.read_lines(REQUIREMENTS, lists.DEV)) - run)


def _total(sizes: dict[str, int], names: Iterable[str]) -> int:
    return sum(sizes.get(name, 0) for name in names)


def main() -> None:
    sizes = package_sizes()
    for words, count in (("for the CPU", cpu_bytes), ("with CUDA", usual_bytes), ("tools for tests", dev_bytes)):
        print(f"{words:16} {count(sizes) / 1e9:5.2f} GB")
    run = lists.names_of(lists.read_lines(REQUIREMENTS, lists.RUN))
    for name in sorted(run & sizes.keys(), key=lambda name: -sizes[name])[:15]:
        print(f"    {name:28} {sizes[name] / 1e6:7.1f} MB")


if __name__ == "__main__":
    main()
