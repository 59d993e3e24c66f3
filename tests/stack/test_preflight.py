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
PLENTY = "echo header; echo /dev/disk 500000000 1 499999999 1% /"
BARE_PYTHON = """
case "$*" in
    *ensurepip*) exit 1 ;;
    *print*) echo 3.11 ;;
esac
"""
NEW_PYTHON = """
case "$*" in
    *exit*) exit 1 ;;
    *print*) echo 3.14 ;;
esac
"""


class Machine:
    """A machine that has only the programs put on it."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.home = folder
        for name in ("sh", "tail"):
            found = shutil.which(name)
            assert found
            (self.bin / name).symlink_to(found)
        self.put("uname", "echo x86_64")
        self.put("df", PLENTY)
        self.put("id", "echo 1000")

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


def test_without_python_it_prints_the_line_that_installs_it(machine: Machine) -> None:
    answer = machine.preflight()
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert "    sudo apt-get update && sudo apt-get install -y python3 python3-venv\n" in answer.stderr


def test_root_needs_no_sudo(machine: Machine) -> None:
    machine.put("id", "echo 0")
    assert "    apt-get update && apt-get install -y python3 python3-venv\n" in machine.preflight().stderr


def test_a_python_without_venv_is_named_with_its_package(machine: Machine) -> None:
    machine.put("python3", BARE_PYTHON)
    answer = machine.preflight()
    assert answer.returncode == 1
    assert "install -y python3.11-venv\n" in answer.stderr


def test_a_python_that_is_too_new_is_named_with_a_way_to_an_older_one(machine: Machine) -> None:
    machine.put("python3", NEW_PYTHON)
    answer = machine.preflight()
    assert answer.returncode == 1
    assert "Python 3.14 is here, and Ostinato needs 3.11 or 3.12" in answer.stderr
    assert "uv" in answer.stderr


def test_an_older_python_beside_it_is_taken_from_the_distribution_if_there(machine: Machine) -> None:
    machine.put("python3", NEW_PYTHON)
    machine.put("apt-cache", '[ "$2" = python3.12-venv ]')
    assert "install -y python3.12 python3.12-venv\n" in machine.preflight().stderr


def test_a_good_python_is_found_behind_a_bad_one(machine: Machine) -> None:
    machine.put("python3", NEW_PYTHON)
    machine.put("python3.12", "exit 0")
    answer = machine.preflight()
    assert (answer.returncode, answer.stdout.strip()) == (0, str(machine.bin / "python3.12"))


def test_the_python_that_the_person_names_comes_first(machine: Machine) -> None:
    answer = machine.preflight(PYTHON=sys.executable)
    assert (answer.returncode, answer.stdout.strip()) == (0, sys.executable)


def test_a_full_disk_is_told_before_the_download(machine: Machine) -> None:
    machine.put("df", "echo header; echo /dev/disk 500000000 1 3145728 99% /")
    answer = machine.preflight()
    assert answer.returncode == 1
    assert "3 GB are free here" in answer.stderr


def test_a_machine_without_builds_of_pytorch_is_told_so(machine: Machine) -> None:
    machine.put("uname", "echo riscv64")
    answer = machine.preflight()
    assert answer.returncode == 1
    assert "riscv64" in answer.stderr


def test_this_very_machine_passes() -> None:
    answer = subprocess.run(["sh", str(SCRIPT)], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
