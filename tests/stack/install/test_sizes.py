"""One size is told everywhere, and it is the true one: counted from what is installed here."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable

import pytest
from packaging.requirements import Requirement

from shared.settings import ROOT
from stack.install import requirement_lists, sizes
from stack.install.requirement_lists import name_of
from stack.install.sizes import CPU_GB, DEV_GB, USUAL_GB
from tools.install_size import REQUIREMENTS, cpu_bytes, dev_bytes, package_sizes, usual_bytes

CONSTANTS = {value for name, value in vars(sizes).items() if name.endswith("_GB")}
TOLD = {
    "README.md": {CPU_GB, USUAL_GB},
    "Makefile": {CPU_GB, USUAL_GB, DEV_GB},
    "docs/install.md": {CPU_GB, USUAL_GB, DEV_GB},
    "docs/clients/python.md": {CPU_GB, USUAL_GB},
}
CPU_TESTS_GB = 0.13  # of programs for tests, which torch's wheels for the CPU have and the others have not


@pytest.fixture(scope="module")
def counted() -> dict[str, int]:
    return package_sizes()


@pytest.mark.parametrize(
    ("gb", "count", "beside_gb"),
    [(CPU_GB, cpu_bytes, CPU_TESTS_GB), (DEV_GB, dev_bytes, 0), (USUAL_GB, usual_bytes, 0)],
)
def test_what_is_told_is_what_the_file_lists_say(
    counted: dict[str, int], gb: float, count: Callable[[dict[str, int]], int], beside_gb: float
) -> None:
    if "torch[cuda]" not in counted:  # this environment has the CPU's build
        beside_gb = 0
        gb = CPU_GB if count is usual_bytes else gb
    assert count(counted) / 1e9 + beside_gb == pytest.approx(gb, abs=0.15), "see python -m tools.install_size"


def test_the_cpus_installation_stays_within_two_gigabytes(counted: dict[str, int]) -> None:
    assert cpu_bytes(counted) / 1e9 + CPU_TESTS_GB <= 2.0
    assert CPU_GB <= 2.0


def test_what_the_cpu_does_without_is_needed_by_torchs_cuda_build_alone() -> None:
    lines = requirement_lists.read_lines(REQUIREMENTS, requirement_lists.RUN)
    left_out = requirement_lists.names_of(lines) - requirement_lists.names_of(requirement_lists.without_gpu(lines))
    assert {"torch", "torchaudio", "triton", "nvidia-cublas"} <= left_out
    for package in importlib.metadata.distributions():
        needed = {name_of(each) for each in package.requires or () if _applies(each)}
        if name_of(package.metadata["Name"]) not in left_out:
            assert needed & left_out <= set(requirement_lists.TORCH), package.metadata["Name"]


def _applies(requirement: str) -> bool:
    marker = Requirement(requirement).marker
    return marker is None or marker.evaluate({"extra": ""})


@pytest.mark.parametrize("page", TOLD)
def test_each_page_tells_that_size_and_no_other(page: str) -> None:
    told = {float(figure) for figure in re.findall(r"(\d+(?:\.\d+)?) GB\b", (ROOT / page).read_text())}
    assert TOLD[page] <= told <= CONSTANTS
