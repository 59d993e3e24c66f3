"""Name the C compiler of this machine, and how the tests' programs in C are compiled. Asserts that there is one."""

from __future__ import annotations

from pathlib import Path

from stack.install.kernels import compilers
from worker.engine.native import build

FOLDER = Path(__file__).parent
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-I", str(FOLDER), "-I", str(build.HERE))


def compiler_here() -> list[str]:
    found = next(compilers({"PATH": "/usr/local/bin:/usr/bin:/bin"}), None)
    assert found, "a C compiler is needed for this test"
    return found
