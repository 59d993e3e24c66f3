"""Compile the kernels: `python -m worker.engine.native.build [COMPILER...]` (docs/native.md).

Each file is compiled once, kernels.c once for each kind of CPU of this architecture, with its own flags and name; the
library chooses among them when it is loaded. It is kept by a hash of its source and flags.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
BUILT = HERE / "built"
FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-pthread", "-ffp-contract=fast", "-Wall", "-Wextra")
AVX2 = ("-mavx2", "-mfma")
AVX512 = (*AVX2, "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mprefer-vector-width=512")
# what every CPU of an architecture runs, whatever the compiler's command or its own defaults add for this one
BASE = {"x86_64": "-march=x86-64", "aarch64": "-march=armv8-a"}
KINDS = {
    "x86_64": {"avx2": AVX2, "avx512": AVX512, "avx512_vnni": (*AVX512, "-mavx512vnni")},
    "aarch64": {"neon": (), "neon_dot": ("-march=armv8.2-a+dotprod",)},
}
# the same in the words of `zig cc`, whose -march names a CPU; it would keep what is for debuggers, too
OF_ZIG = {
    "-march=x86-64": "-mcpu=x86_64",
    "-march=armv8-a": "-mcpu=generic",
    "-march=armv8.2-a+dotprod": "-mcpu=generic+v8_2a+dotprod",
}


def architecture() -> str:
    """Return this machine's architecture as `KINDS` names it."""
    machine = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)


def compiled_path(target: str | None = None) -> Path:
    """Return where the library for that architecture (this machine's) is, or will be."""
    target = target or architecture()
    digest = hashlib.sha256(repr((FLAGS, BASE.get(target), KINDS.get(target), sys.platform)).encode())
    for path in sorted(HERE.glob("*.[ch]")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return BUILT / f"kernels-{target}-{digest.hexdigest()[:16]}.so"


def compile_kernels(compiler: list[str], target: str | None = None) -> Path:
    """Compile the library with a C compiler's command, unless it is there; return its path.

    Raises subprocess.CalledProcessError with the compiler's own words, KeyError for an architecture without kernels.
    """
    target = target or architecture()
    path = compiled_path(target)
    if path.exists():
        return path
    BUILT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILT) as folder:
        objects = compile_objects(compiler, target, folder)
        made = Path(folder) / path.name
        _run([*compiler, "-shared", "-pthread", "-o", str(made), *objects, "-lm"])
        os.replace(made, path)  # complete, or not there
    for old in BUILT.glob(f"kernels-{target}-*.so"):
        if old != path:
            old.unlink()
    return path


def compile_objects(compiler: list[str], target: str, folder: str) -> list[str]:
    """Compile what the library is linked from into a folder; return the files. Raises as `compile_kernels` does."""
    base = BASE[target]
    objects = [_object(compiler, name, folder, name, (base,)) for name in ("team", "cpu")]
    for kind, flags in KINDS[target].items():
        objects.append(_object(compiler, "kernels", folder, kind, (base, *flags, f"-DNAME={kind}")))
    return objects


def _object(compiler: list[str], source: str, folder: str, name: str, flags: tuple[str, ...]) -> str:
    made = str(Path(folder) / f"{name}.o")
    if is_zig(compiler):
        flags = (*(OF_ZIG.get(flag, flag) for flag in flags), "-g0")
    _run([*compiler, *FLAGS, *flags, "-c", str(HERE / f"{source}.c"), "-o", made])
    return made


def is_zig(compiler: list[str]) -> bool:
    """Tell whether a compiler's command is that of `zig cc`."""
    return any(Path(word).name in ("zig", "ziglang") for word in compiler)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def main() -> None:
    compiler = sys.argv[1:] or [found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))][:1]
    if not compiler:
        raise SystemExit("no C compiler is here; name its command as arguments")
    print(compile_kernels(compiler))


if __name__ == "__main__":
    main()
