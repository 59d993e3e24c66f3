"""A program in C checks the kernels against plain sums, and a row alone and among others: on this CPU and on ARM's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stack.install.kernels import zig
from tests.worker.engine.native.compiling import FLAGS, FOLDER, compiler_here
from worker.engine.native import build
from worker.engine.native.loader import all_kernels

QEMU = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")


def compile_program(compiler: list[str], made: Path, *linked: str, source: str = "check_kernels.c") -> str:
    """Compile a program over the library, or over what it is linked from; return its path."""
    command = [*compiler, *FLAGS, str(FOLDER / source), *linked, "-o", str(made), "-lm", "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return str(made)


def digests(*command: str) -> dict[str, str]:
    """Run the program; return the digest of what each kind of kernels computed."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
    return dict(line.split(": ") for line in done.stdout.splitlines())


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Check what `make install` compiled."""
    library = build.compiled_path()
    made = tmp_path_factory.mktemp("check") / "check"
    return digests(compile_program(compiler_here(), made, str(library), f"-Wl,-rpath,{library.parent}"))


def test_every_kind_of_kernels_here_computes_what_plain_sums_do_and_a_row_the_same_in_any_company(
    here: dict[str, str],
) -> None:
    checked = {name.partition(",")[0].replace("_", "-") for name in here}
    assert checked == {each.name for each in all_kernels()}


def test_products_are_bitwise_the_same_by_every_kind_of_kernels(here: dict[str, str]) -> None:
    by_what: dict[str, set[str]] = {}
    for name, digest in here.items():
        by_what.setdefault(name.partition(", ")[2], set()).add(digest)
    assert {what for what, found in by_what.items() if len(found) > 1 and what.startswith("products")} == set()


def compiled_by_zig(target: str, system: str, folder: Path, *flags: str) -> str:
    """Compile kernels and program by the compiler that comes as a wheel; return the program's path."""
    with zig(Path(sys.executable), f"{target}-{system}") as compiler:
        objects = build.compile_objects(compiler, target, str(folder))
        return compile_program([*compiler, *flags], folder / "check", *objects)


def test_a_phase_begins_when_the_one_before_is_done_on_any_number_of_threads(tmp_path: Path) -> None:
    team = str(build.HERE / "team.c")
    program = compile_program(compiler_here(), tmp_path / "stress", team, source="team_stress.c")
    assert subprocess.run([program, "300"], capture_output=True, text=True).stdout == ""


@pytest.mark.long  # needs libtsan
def test_the_threads_have_no_data_race(tmp_path: Path) -> None:
    checked = [str(build.HERE / "team.c"), "-g", "-fsanitize=thread"]
    program = compile_program(compiler_here(), tmp_path / "stress", *checked, source="team_stress.c")
    done = subprocess.run([program, "300"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.long  # needs libasan and libubsan
def test_no_kernel_reads_or_writes_beyond_what_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FLAGS", tuple(flag.replace("-O3", "-O1") for flag in build.FLAGS))  # minutes less
    compiler = [*compiler_here(), "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    objects = build.compile_objects(compiler, build.architecture(), str(tmp_path))
    done = subprocess.run([compile_program(compiler, tmp_path / "check", *objects)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.long  # fetches 100 MB
@pytest.mark.skipif(build.architecture() != "x86_64", reason="compares with this CPU's own")
def test_another_compiler_gives_bitwise_the_same(here: dict[str, str], tmp_path: Path) -> None:
    assert digests(compiled_by_zig("x86_64", "linux-gnu.2.28", tmp_path)) == here


@pytest.mark.long
@pytest.mark.skipif(QEMU is None, reason="needs qemu-user: it runs programs for arm64")
def test_the_kernels_for_arm_compute_what_plain_sums_do_and_products_bitwise_as_here(
    here: dict[str, str], tmp_path: Path
) -> None:
    assert QEMU is not None
    program = compiled_by_zig("aarch64", "linux-musl", tmp_path, "-static")
    found = digests(QEMU, program)
    assert {name.partition(",")[0] for name in found} == {"neon", "neon_dot"}
    products = {name.partition(", ")[2]: digest for name, digest in here.items() if ", products" in name}
    theirs = {name: digest for name, digest in found.items() if ", products" in name}
    assert theirs == {name: products[name.partition(", ")[2]] for name in theirs}
    without = digests(QEMU, "-cpu", "cortex-a72", program)  # a CPU that multiplies no bytes
    assert {name.partition(",")[0] for name in without} == {"neon"}
    assert without.items() <= found.items()
