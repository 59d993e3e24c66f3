"""What is pinned comes as wheels on every system and Python that Ostinato runs on, and holds all that it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools.licences import normalised, pinned
from worker.engine.imports.names import NAMES

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
SYSTEMS = {
    "Linux x86_64": "x86_64-manylinux_2_28",
    "Linux aarch64": "aarch64-manylinux_2_28",
    "macOS arm64": "aarch64-apple-darwin",
}
PYTHONS = ("3.11", "3.12", "3.13")
OLDEST_MACOS = {"MACOSX_DEPLOYMENT_TARGET": "14.0"}
RUN = ("api.txt", "worker.txt", "embedded.txt", "mixing.txt")
# the one package that is published as source alone, and is really used
BUILT = "audiocraft"


def resolve(system: str, python: str, *arguments: str) -> set[str]:
    """Let uv find what it would install there; returns NAME==VERSION of each.

    The index is asked only where uv's cache does not know enough: a release and what it needs do not change.
    """
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
    command += ["--python", sys.executable]  # for what little it asks one: it would try all that are here
    command += ["--python-platform", SYSTEMS[system], "--python-version", python, "--only-binary", ":all:", *arguments]
    for index in (["--offline"], []):
        run = subprocess.run(
            [*command, *index], cwd=REQUIREMENTS, env=os.environ | OLDEST_MACOS, capture_output=True, text=True
        )
        if run.returncode == 0:
            break
    assert run.returncode == 0, f"{system}, Python {python}: {run.stderr[-2000:]}"
    return {line.partition(";")[0].strip() for line in run.stdout.splitlines() if line.strip()}


def pins(*files: str) -> set[str]:
    lines = [line.partition("#")[0].partition(";")[0].strip() for file in files for line in _lines(file)]
    return {line for line in lines if line}


def _lines(file: str) -> list[str]:
    return (REQUIREMENTS / file).read_text().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_all_that_is_needed_is_pinned_and_comes_as_wheels(system: str, python: str) -> None:
    missing = resolve(system, python, *RUN) - pins(*RUN)
    assert not missing, "python -m tools.compile_requirements"


@pytest.mark.slow
def test_of_what_is_installed_without_its_dependencies_one_is_built() -> None:
    for system in SYSTEMS:
        assert resolve(system, PYTHONS[0], "--no-deps", "--no-binary", BUILT, "audiocraft.txt") == pins(
            "audiocraft.txt"
        )


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_compiler_comes_as_a_wheel_that_needs_no_more(system: str) -> None:
    assert resolve(system, PYTHONS[0], "compiler.txt") == pins("compiler.txt")


@pytest.mark.slow
def test_the_tests_tools_are_pinned_too() -> None:
    files = (*RUN, "dev.txt", "test-clients.txt")
    assert not resolve("Linux x86_64", PYTHONS[-1], *files) - pins(*files), "python -m tools.compile_requirements"


@pytest.mark.parametrize("source", sorted(path.name for path in REQUIREMENTS.glob("*.in")))
def test_what_is_asked_for_is_what_is_pinned(source: str) -> None:
    target = REQUIREMENTS / source.replace(".in", ".txt")
    if not target.exists():
        assert source == "training.in"  # for whoever trains: not installed here
        return
    asked = [line.partition(" #")[0].strip() for line in _lines(source)]
    wanted = [Requirement(line) for line in asked if line and not line.startswith(("#", "-c"))]
    found = [Requirement(line) for line in _lines(target.name) if line.strip()]
    for requirement in wanted:
        versions = [pin.specifier for pin in found if normalised(pin.name) == normalised(requirement.name)]
        assert versions, f"{requirement} of {source} is not in {target.name}: python -m tools.compile_requirements"
        if requirement.specifier:
            assert requirement.specifier in versions, f"{source} asks for {requirement}"


def test_nothing_is_installed_that_is_stood_in_for() -> None:
    imported = {name.partition(".")[0] for name in NAMES} - {BUILT}
    used_elsewhere = {"av"}  # by uploads, and where AAC is read back
    brought_along = {"antlr4-python3-runtime", "docopt", "dora-search", "encodec", "hydra-core", "sphn", "submitit"}
    installed = set().union(*(pinned(name.removesuffix(".txt")) for name in (*RUN, "audiocraft.txt")))
    assert (imported - used_elsewhere | brought_along) & installed == set()
