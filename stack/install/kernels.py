"""Compile the worker's kernels (docs/native.md): `python -m stack.install.kernels`, in an image's build too.

With the compiler that CC names, else the cc, gcc or clang that is here, else with one that comes as a wheel and is
removed again. Where none compiles them, the engine multiplies with torch and numba, and a line says so.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stack.install.one_wheel import NoWheel, unpacked
from worker.engine.native import build

COMPILER_REQUIREMENTS = Path("requirements/compiler.txt")
WHEEL = "ziglang"
GLIBC = "2.28"  # the oldest that torch's own wheels run with
USUAL = ("cc", "gcc", "clang")
WITHOUT = "the worker's kernels were not compiled, so on a CPU it multiplies with torch and numba, which is slower"


def compilers(environment: Mapping[str, str]) -> Iterator[list[str]]:
    """Give the commands of the C compilers to try, the one that CC names alone where it does."""
    if named := shlex.split(environment.get("CC", "")):
        yield named
        return
    for name in USUAL:
        found = shutil.which(name, path=environment.get("PATH"))
        if found and not asks_for_tools(found):
            yield [found]


def asks_for_tools(compiler: str) -> bool:
    """Tell whether it is macOS's stand-in for a compiler, which opens a window that offers to install one."""
    if sys.platform != "darwin" or not compiler.startswith("/usr/bin/"):
        return False
    return subprocess.run(["/usr/bin/xcode-select", "-p"], capture_output=True).returncode != 0


@contextmanager
def zig(python: Path, target: str = "") -> Iterator[list[str]]:
    """Give the command of the compiler that comes as a wheel, for this machine or a target, for this long.

    Raises NoWheel.
    """
    system = f"linux-gnu.{GLIBC}" if sys.platform == "linux" else "macos"
    with unpacked(python, COMPILER_REQUIREMENTS, WHEEL) as folder, tempfile.TemporaryDirectory(dir=folder) as cache:
        caches = [f"ZIG_{which}_CACHE_DIR={cache}" for which in ("GLOBAL", "LOCAL")]
        program = str(folder / WHEEL / "zig")
        yield ["env", *caches, program, "cc", "-target", target or f"{build.architecture()}-{system}"]


def compile_with(compiler: list[str], name: str) -> str:
    """Compile with that command; return why it did not, in its own words, or nothing."""
    try:
        build.compile_kernels(compiler)
    except OSError as error:
        return f"{name}: {error.strerror}"
    except subprocess.CalledProcessError as error:
        lines = [line for line in str(error.stderr).splitlines() if "error" in line.lower()]
        return f"{name}: {lines[0] if lines else f'exit code {error.returncode}'}"
    print(f"==> compiled the worker's kernels with {name}", flush=True)
    return ""


def compile_kernels(python: Path, environment: Mapping[str, str]) -> list[str]:
    """Compile with the first compiler that does; return what each one before it had against it."""
    refusals = []
    for compiler in compilers(environment):
        if not (refusal := compile_with(compiler, shlex.join(compiler))):
            return []
        refusals.append(refusal)
    print("==> fetching a C compiler for the worker's kernels (100 MB, only for that)", flush=True)
    try:
        with zig(python) as command:
            refusal = compile_with(command, WHEEL)
    except (NoWheel, OSError) as error:
        refusal = f"{WHEEL}: {error}"
    return [*refusals, refusal] if refusal else []


def main(python: Path = Path(sys.executable), environment: Mapping[str, str] = os.environ) -> None:
    """Compile what is missing; where nothing compiles it, say so in a line, for the engine runs without."""
    if build.architecture() not in build.KINDS or build.compiled_path().exists():
        return
    build.BUILT.mkdir(exist_ok=True)  # an image copies it
    if refusals := compile_kernels(python, environment):
        print(f"==> {WITHOUT} ({'; '.join(refusals)})", flush=True)


if __name__ == "__main__":
    main()
