"""Before anything is installed, one line tells what is missing and how to get it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import ROOT

SCRIPT = ROOT / "stack" / "preflight.sh"
BARE_PYTHON = """
case "$*" in
    *ensurepip*) exit 1 ;;
    *print*) echo 3.11 ;;
esac
"""


def good_python(version: str) -> str:
    return f'case "$*" in *print*) echo {version} ;; esac'


def python_of(version: str, *, is_old: bool = False) -> str:
    """A Python of a version that is not supported: what it would say to the questions it is asked."""
    old = "exit 0" if is_old else "exit 1"
    return f"""
case "$*" in
    *">= (3, 11)"*) {old} ;;
    *exit*) exit 1 ;;
    *print*) echo {version} ;;
esac
"""


class Machine:
    """A machine that has only the programs put on it."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.home = folder
        for name in ("sh", "cat"):
            found = shutil.which(name)
            assert found
            (self.bin / name).symlink_to(found)
        self.be("Linux", "x86_64")
        self.put("apt-get", "exit 0")
        self.put("id", "echo 1000")

    def be(self, system: str, processor: str) -> None:
        self.put("uname", f'[ "$1" = -s ] && echo {system} || echo {processor}')

    def put(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def preflight(self, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": str(self.bin), "HOME": str(self.home), **environment}
        return subprocess.run(["sh", str(SCRIPT)], cwd=self.home, env=env, capture_output=True, text=True, timeout=10)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def sentence(answer: subprocess.CompletedProcess[str]) -> str:
    """What a preflight that finds something missing says: one line, and no interpreter."""
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("error: ")
    assert answer.stderr.count("\n") == 1
    return answer.stderr


def test_without_python_the_line_that_installs_it_is_told(machine: Machine) -> None:
    told = sentence(machine.preflight())
    assert "there is no Python here, and Ostinato needs 3.11, 3.12 or 3.13" in told
    assert "`sudo apt-get update && sudo apt-get install -y python3 python3-venv`, then run the same command" in told


def test_root_needs_no_sudo(machine: Machine) -> None:
    machine.put("id", "echo 0")
    assert "`apt-get update && apt-get install -y python3 python3-venv`" in sentence(machine.preflight())


def test_a_python_without_venv_is_named_with_its_package(machine: Machine) -> None:
    machine.put("python3", BARE_PYTHON)
    told = sentence(machine.preflight())
    assert "Python 3.11 is here without its venv module" in told
    assert "install -y python3.11-venv`" in told


@pytest.mark.parametrize(("version", "is_old", "how"), [("3.14", False, "too new"), ("3.9", True, "too old")])
def test_a_python_that_does_not_fit_is_named_with_a_way_to_another(
    machine: Machine, version: str, is_old: bool, how: str
) -> None:
    machine.put("python3", python_of(version, is_old=is_old))
    told = sentence(machine.preflight())
    assert f"Python {version} is {how} for Ostinato, which needs 3.11, 3.12 or 3.13" in told
    assert 'uv" python install 3.12`' in told


@pytest.mark.parametrize(("version", "is_old", "how"), [("3.14", False, "too new"), ("3.9", True, "too old")])
def test_a_python_that_is_named_and_does_not_fit_is_not_replaced_by_another(
    machine: Machine, version: str, is_old: bool, how: str
) -> None:
    machine.put("python3.12", "exit 0")
    machine.put("mine", python_of(version, is_old=is_old))
    assert f"PYTHON=mine is Python {version}, which is {how}: name 3.11" in sentence(machine.preflight(PYTHON="mine"))
    assert "PYTHON=none is no Python that runs here" in sentence(machine.preflight(PYTHON="none"))


def test_a_python_beside_it_is_taken_from_the_distribution_if_there(machine: Machine) -> None:
    machine.put("python3", python_of("3.14"))
    machine.put("apt-cache", '[ "$2" = python3.13-venv ]')
    assert "install -y python3.13 python3.13-venv`" in sentence(machine.preflight())


@pytest.mark.parametrize("name", ["python3.12", "python3.13"])
def test_a_good_python_is_found_behind_a_bad_one(machine: Machine, name: str) -> None:
    machine.put("python3", python_of("3.14"))
    machine.put(name, good_python("3.12"))
    answer = machine.preflight()
    assert (answer.returncode, answer.stdout.strip()) == (0, str(machine.bin / name))


def test_the_python_that_the_person_names_comes_first(machine: Machine) -> None:
    answer = machine.preflight(PYTHON=sys.executable)
    assert (answer.returncode, answer.stdout.strip()) == (0, sys.executable)


@pytest.mark.parametrize("folder", [".local/bin", ".pyenv/versions/3.13.0/bin"])
def test_a_python_that_uv_or_pyenv_installed_is_found_by_its_name(machine: Machine, folder: str) -> None:
    machine.put("python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    path = machine.home / folder / "python3.13"
    path.parent.mkdir(parents=True)
    path.symlink_to(sys.executable)
    for environment in ({"PYTHON": "python3.13"}, {}):
        answer = machine.preflight(**environment)
        assert (answer.returncode, answer.stdout.strip()) == (0, str(path))


@pytest.mark.parametrize(
    ("system", "processor", "named"), [("Linux", "riscv64", "riscv64"), ("Darwin", "x86_64", "Intel")]
)
def test_a_machine_without_builds_of_pytorch_is_told_so(
    machine: Machine, system: str, processor: str, named: str
) -> None:
    machine.be(system, processor)
    assert named in sentence(machine.preflight())


@pytest.mark.parametrize(("system", "processor"), [("Linux", "aarch64"), ("Darwin", "arm64")])
def test_arm_is_no_hindrance(machine: Machine, system: str, processor: str) -> None:
    machine.be(system, processor)
    answer = machine.preflight(PYTHON=sys.executable)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_on_a_mac_homebrew_brings_what_is_missing(machine: Machine) -> None:
    machine.be("Darwin", "arm64")
    machine.put("brew", "exit 0")
    assert "install it with `brew install python@3.12`" in sentence(machine.preflight())


def test_this_very_machine_passes() -> None:
    answer = subprocess.run(["sh", str(SCRIPT)], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


@pytest.fixture
def makefile(machine: Machine) -> Machine:
    """The Makefile, where .venv is of Python 3.11, and there is a 3.13 beside it."""
    (machine.home / "stack").mkdir()
    for name in ("Makefile", "stack/venv_folder.sh", "stack/preflight.sh"):
        shutil.copy(ROOT / name, machine.home / name)
    for name, version in ((".venv/bin/python", "3.11"), ("python3.11", "3.11"), ("python3.13", "3.13")):
        (machine.home / name).parent.mkdir(parents=True, exist_ok=True)
        machine.put(f"../{name}", good_python(version))
    return machine


def would_run(machine: Machine, *words: str) -> str:
    path = f"{machine.home}:{os.environ['PATH']}"
    command = ["make", "-n", "test", *words]
    return subprocess.run(command, cwd=machine.home, env={"PATH": path}, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        ((), ".venv"),
        (("PYTHON=python3.11",), ".venv"),
        (("PYTHON=python3.13",), ".venv-3.13"),
        (("PYTHON=python3.13", "VENV=mine"), "mine"),
    ],
)
def test_the_tests_run_on_the_python_that_is_named_in_a_folder_of_its_own(
    makefile: Machine, words: tuple[str, ...], folder: str
) -> None:
    lines = would_run(makefile, *words)
    assert f'VENV="{folder}" sh stack/install.sh dev\n' in lines
    assert f"\n{folder}/bin/python -m pytest " in lines


def test_without_an_environment_the_python_that_is_named_gets_the_usual_folder(makefile: Machine) -> None:
    shutil.rmtree(makefile.home / ".venv")
    assert "\n.venv/bin/python -m pytest " in would_run(makefile, "PYTHON=python3.13")
