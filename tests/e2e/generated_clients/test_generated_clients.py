"""Clients that others generate from /openapi.json: they submit, poll, download, upload a melody and send a batch.

Both are made without a warning, their types fit the code that calls them (mypy --strict, tsc with all strictness), and
they run against the live stack.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.settings import ROOT
from tests.audio_fixtures import file_of, tone
from tests.e2e.conftest import Stack
from tools.environments import pinned_environment, pinned_npm_environment
from tools.node import NODE

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

HERE = Path(__file__).resolve().parent
NAME = "generated-client"  # of both environments' pins, Python's and npm's
MELODY_S = 2.0


@pytest.fixture(scope="module")
def description(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("description") / "openapi.json"
    path.write_bytes(stack.http.get("/openapi.json").content)
    return path


@pytest.fixture(scope="module")
def melody(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("melody") / "hum.wav"
    path.write_bytes(file_of(tone(440, MELODY_S), 32_000))
    return path


def run(command: list[Any], folder: Path, **environment: str) -> str:
    """Return what it prints."""
    called = subprocess.run(
        [str(each) for each in command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert called.returncode == 0, f"{command}\n{called.stdout}\n{called.stderr}"
    return called.stdout


def expect_all_of_it(printed: str) -> None:
    made = json.loads(printed)
    assert made.pop("bytes") > 1000
    assert made == {
        "melody_seconds": MELODY_S,
        "variations": 2,
        "batch": ["completed", "completed"],
        "refused": "INVALID_REQUEST",
    }


def test_a_generated_python_client_does_it_all(stack: Stack, description: Path, melody: Path, tmp_path: Path) -> None:
    python = pinned_environment(NAME, ROOT / "requirements" / f"{NAME}.txt")
    package = tmp_path / "ostinato_client"
    options = ["--config", HERE / "python-client.yml", "--meta", "none", "--output-path", package, "--fail-on-warning"]
    run([python, "-m", "openapi_python_client", "generate", "--path", description, *options], tmp_path)
    calls = shutil.copy(HERE / "calls.py", tmp_path)
    options = ["--strict", "--config-file=", "--python-executable", python, "--cache-dir", python.parents[1] / "mypy"]
    run([sys.executable, "-m", "mypy", *options, "--follow-imports=silent", calls], tmp_path)
    expect_all_of_it(run([python, "-W", "error", calls, stack.services.url, melody], tmp_path))


def test_a_generated_typescript_client_does_it_all(
    stack: Stack, description: Path, melody: Path, tmp_path: Path
) -> None:
    modules = pinned_npm_environment(f"{NAME}-npm", HERE)
    for name in ("package.json", "tsconfig.json", "generate.mjs", "calls.ts"):
        shutil.copy(HERE / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(modules)
    run([NODE, "generate.mjs", description, "schema.ts"], tmp_path)
    run([NODE, modules / "typescript" / "bin" / "tsc"], tmp_path)
    expect_all_of_it(run([NODE, "built/calls.js", stack.services.url, melody], tmp_path))


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
