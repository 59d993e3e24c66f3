"""Compile the worker's kernels (docs/native.md): `python -m stack.install.kernels`.

With the compiler that CC names, else the cc, gcc or clang that is here. Where none compiles them, the engine multiplies
with torch and numba, and a line says so.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping

from worker.engine.native import build

WITHOUT = "the worker multiplies with torch and numba, slower on a CPU, for its kernels were not compiled"
USUAL = ("cc", "gcc", "clang")


def compilers(environment: Mapping[str, str]) -> Iterator[list[str]]:
    """Give the commands of the C compilers to try, the one that CC names alone where it does."""
    if named := shlex.split(environment.get("CC", "")):
        yield named
        return
    for name in USUAL:
        if shutil.which(name, path=environment.get("PATH")):
            yield [name]


def compile_with(compiler: list[str]) -> str:
    """Compile with that command; return why it did not, in its own words, or nothing."""
    try:
        build.compile_kernels(compiler)
    except OSError as error:
        return f"{compiler[0]}: {error.strerror}"
    except subprocess.CalledProcessError as error:
        lines = [line for line in str(error.stderr).splitlines() if "error" in line.lower()]
        return f"{compiler[0]}: {lines[0] if lines else f'exit code {error.returncode}'}"
    return ""


def main(environment: Mapping[str, str] = os.environ) -> None:
    """Compile what is missing; where nothing compiles it, say so in a line, for the engine runs without."""
    if build.architecture() not in build.KINDS or build.library_path().exists():
        return
    refusals = []
    for compiler in compilers(environment):
        if not (refusal := compile_with(compiler)):
            print(f"==> compiled the worker's kernels with {shlex.join(compiler)}", flush=True)
            return
        refusals.append(refusal)
    print(f"==> {WITHOUT} ({'; '.join(refusals) or 'no C compiler is here'})", flush=True)


if __name__ == "__main__":
    main()
