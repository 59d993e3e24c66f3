"""The library is here, and of its kernels the best is taken that this CPU runs by the words of /proc/cpuinfo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from worker.engine.native.loader import all_kernels, kernels

# what each kind of kernels needs, the best first, in the words of /proc/cpuinfo
AVX2 = {"avx2", "fma"}
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
NEEDS = {
    "avx512-vnni": AVX512 | {"avx512_vnni"},
    "avx512": AVX512,
    "avx2": AVX2,
    "neon-dot": {"asimddp"},
    "neon": {"asimd"},
}

AFTER_A_FORK = """
import os, psutil, torch
from worker.engine.native.loader import kernels
from worker.engine.native.linear import Arena, NativeLinear
torch.set_num_threads(2)
linear = NativeLinear(kernels(), torch.randn(300, 64), None, "fp32", Arena())
x = torch.randn(3, 64)
before = linear(x)
child = os.fork()
if child == 0:
    same = all(torch.equal(linear(x), before) for _ in range(50))
    threads = psutil.Process().num_threads()
    os._exit(0 if same and threads == 2 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert torch.equal(linear(x), before)
"""


def test_the_kernels_were_compiled_at_installation() -> None:
    assert all_kernels(), "run `make install-dev`, or python -m stack.install.kernels, which says why they are not"


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc/cpuinfo")
def test_what_this_cpu_runs_is_what_its_flags_say_the_best_first() -> None:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next(line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features")))
    expected = [name for name, needed in NEEDS.items() if needed <= set(flags)]
    assert [each.name for each in all_kernels()] == expected
    chosen = kernels()
    assert chosen is not None
    assert chosen.name == expected[0]


def test_kernels_are_had_by_name_and_one_that_this_cpu_does_not_run_is_refused_by_name() -> None:
    for each in all_kernels():
        assert kernels(each.name) is each
    with pytest.raises(LookupError, match=r"this CPU runs the kernels .*, not sve"):
        kernels("sve")


def test_a_forked_child_has_threads_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", AFTER_A_FORK], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
