"""`make install` takes the build that fits, does nothing twice, mends what was cut off, and fails cleanly."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from stack.install import installation
from stack.install.__main__ import main
from stack.install.sizes import CPU_GB, USUAL_DOWNLOAD_GB, USUAL_GB
from tests.stack.install.checkout import MANY, NOWHERE, Checkout, Indexes, link
from tests.stack.waiting import wait_for

pytestmark = pytest.mark.slow

FOR_ALL = {"web": "1.0", "broker": "1.0", "audiocraft": "1.3.0"}
FOR_CPU = {**FOR_ALL, "torch": "2.11.0+cpu", "torchaudio": "2.11.0+cpu"}
USUAL = {**FOR_ALL, "torch": "2.11.0", "torchaudio": "2.11.0", "nvidia-cublas": "13.1", "triton": "3.6"}


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Indexes:
    return Indexes(tmp_path_factory.mktemp("indexes"))


@pytest.fixture(scope="module")
def with_pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment as it is made, but for 5 s of compiling pip: with the one that is installed here."""
    folder = tmp_path_factory.mktemp("environments") / "pip"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    pip = importlib.metadata.distribution("pip")
    for file in pip.files or ():
        if ".." not in file.parts:
            (packages / file).parent.mkdir(parents=True, exist_ok=True)
            link(str(pip.locate_file(file)), packages / file)
    return folder


@pytest.fixture(scope="module")
def with_uv(with_pip: Path, indexes: Indexes) -> Path:
    folder = with_pip.with_name("uv")
    shutil.copytree(with_pip, folder, symlinks=True, copy_function=link)
    with zipfile.ZipFile(indexes.uv) as wheel:
        wheel.extractall(next(folder.glob("lib/python*/site-packages")))
    return folder


@pytest.fixture
def checkout(tmp_path: Path, indexes: Indexes, with_uv: Path) -> Checkout:
    return Checkout(tmp_path, indexes, with_uv)


@pytest.fixture
def fresh(tmp_path: Path, indexes: Indexes) -> Checkout:
    return Checkout(tmp_path, indexes, None)


def test_a_new_environment_gets_the_cpus_build_from_its_own_index_and_all_else_by_uv_from_the_usual_one(
    tmp_path: Path, indexes: Indexes, with_pip: Path
) -> None:
    checkout = Checkout(tmp_path, indexes, with_pip)
    done = checkout.by_script(CPU="1", TORCH_INDEX=indexes.cpu)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert checkout.installed() == FOR_CPU
    assert f"about {CPU_GB} GB" in done.stdout
    assert "pip" not in done.stdout


def test_without_a_driver_the_cpus_build_is_taken(checkout: Checkout) -> None:
    done = checkout.install("--torch-index", checkout.indexes.cpu)
    assert checkout.installed() == FOR_CPU, done.stdout
    assert "no NVIDIA driver here" in done.stdout


def test_with_a_driver_the_usual_build_is_taken_and_the_other_index_is_not_asked(checkout: Checkout) -> None:
    done = checkout.install("--torch-index", NOWHERE, root="driver")
    assert checkout.installed() == USUAL, done.stdout
    assert f"about {USUAL_GB} GB" in done.stdout


def test_where_the_cpus_index_cannot_be_reached_the_usual_build_is_taken_and_its_cost_said(checkout: Checkout) -> None:
    done = checkout.install("--torch-index", NOWHERE)
    assert checkout.installed() == USUAL, done.stdout
    told = next(line for line in done.stdout.splitlines() if NOWHERE in line)
    assert f"{USUAL_GB} GB on disk instead of {CPU_GB} GB and {USUAL_DOWNLOAD_GB} GB to download instead of" in told


def test_an_index_that_answers_and_has_not_this_version_is_one_that_cannot_be_used(checkout: Checkout) -> None:
    checkout.require("worker", "torch==2.12.0\ntorchaudio==2.11.0\n")
    done = checkout.install("--torch-index", checkout.indexes.cpu)
    assert f"{USUAL_GB} GB on disk instead of {CPU_GB} GB" in done.stdout


def test_what_is_asked_for_by_hand_is_not_replaced_by_the_other_build(checkout: Checkout) -> None:
    done = checkout.install("--cpu=1", "--torch-index", NOWHERE)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: CPU=1: torch's CPU build cannot be taken from {NOWHERE}")
    assert "TORCH_INDEX" in done.stderr
    assert checkout.installed() == {}


def test_both_builds_at_once_are_refused_in_a_sentence(checkout: Checkout) -> None:
    done = checkout.install("--cpu=1", "--cuda=1")
    assert (done.returncode, done.stderr) == (1, "error: CPU=1 and CUDA=1 exclude each other: leave one of them out\n")


def test_a_second_run_does_nothing_and_asks_no_index(checkout: Checkout) -> None:
    checkout.install("--torch-index", checkout.indexes.cpu)
    again = checkout.install("--torch-index", NOWHERE, PIP_INDEX_URL=NOWHERE, UV_DEFAULT_INDEX=NOWHERE)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    with_driver = checkout.install(root="driver")
    assert "make install CUDA=1" in with_driver.stdout
    assert checkout.installed() == FOR_CPU, "it keeps its build until somebody says otherwise"


def test_one_build_replaces_the_other_and_takes_its_libraries_with_it(checkout: Checkout) -> None:
    index = ("--torch-index", checkout.indexes.cpu)
    for words, expected in ((("--cuda=1",), USUAL), (("--cpu=1", *index), FOR_CPU), (("--cuda=1",), USUAL)):
        done = checkout.install(*words)
        assert checkout.installed() == expected, done.stdout + done.stderr


def test_a_new_pin_is_installed_and_what_is_pinned_no_more_is_removed(checkout: Checkout) -> None:
    checkout.install("--cuda=1")
    checkout.require("api", "web==2.0")
    checkout.require("embedded", "")
    checkout.install()
    assert checkout.installed() == {name: version for name, version in USUAL.items() if name != "broker"} | {
        "web": "2.0"
    }


def test_what_was_killed_in_the_middle_is_whole_after_a_second_run(
    tmp_path: Path, indexes: Indexes, with_pip: Path
) -> None:
    checkout = Checkout(tmp_path, indexes, with_pip)
    checkout.require("embedded", "many==1.0")
    process = subprocess.Popen(
        checkout.command("--cuda=1"),
        cwd=tmp_path,
        env=checkout.environment(PIP_INDEX_URL=indexes.without_uv),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    assert wait_for(lambda: any(checkout.packages.glob("many/part_*")), timeout_s=30)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert (tmp_path / ".venv" / ".installing").exists(), "it was in the middle"
    cut = next(checkout.packages.glob("many/part_*.py"))
    cut.write_bytes(cut.read_bytes()[:100])  # as a power failure leaves it
    done = checkout.install("--cuda=1")
    assert done.returncode == 0, done.stdout + done.stderr
    parts = list(checkout.packages.glob("many/part_*.py"))
    assert (len(parts), {part.stat().st_size for part in parts}) == (MANY, {300})


def test_without_a_network_one_sentence_says_so_and_nothing_is_left(fresh: Checkout) -> None:
    (fresh.folder / ".venv" / "bin").mkdir(parents=True)  # by a run that was killed while it made this
    (fresh.folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (fresh.folder / ".venv.making").touch()
    done = fresh.by_script(CUDA="1", PIP_INDEX_URL=NOWHERE, UV_DEFAULT_INDEX=NOWHERE)
    assert done.returncode == 1
    assert "making .venv with Python" in done.stdout
    assert done.stderr.count("\n") == 1
    assert "the package index cannot be reached, so nothing was installed" in done.stderr
    assert "HTTPS_PROXY" in done.stderr
    assert list(fresh.folder.glob(".venv*")) == []


def test_without_a_network_what_was_installed_stays_as_it_was(checkout: Checkout) -> None:
    checkout.install("--cuda=1")
    checkout.require("api", "web==2.0")
    done = checkout.install(PIP_INDEX_URL=NOWHERE, UV_DEFAULT_INDEX=NOWHERE)
    assert "so what was there is as it was" in done.stderr, done.stdout + done.stderr
    assert checkout.installed() == USUAL
    assert not (checkout.folder / ".venv" / ".installing").exists()


@pytest.fixture
def in_place(fresh: Checkout, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    monkeypatch.chdir(fresh.folder)
    return lambda: main([".venv", "run", "--cuda=1"])


def test_a_disk_that_is_too_small_is_told_in_a_sentence_before_anything_is_made(
    in_place: Callable[[], int],
    fresh: Checkout,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(installation, "USUAL_GB", 1e9)
    assert in_place() == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "the installation needs 1000000001.0 GB: free some space" in told.err
    assert not (fresh.folder / ".venv").exists()


def test_another_version_of_python_leaves_an_environment_alone_and_names_a_folder_for_itself(
    in_place: Callable[[], int], fresh: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    python = fresh.folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho 3.99\n")
    python.chmod(0o755)
    assert in_place() == 1
    assert "name another folder for it, as VENV=.venv-" in capsys.readouterr().err
    assert python.exists()
