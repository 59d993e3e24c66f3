"""Run the command as its users do: in a process of its own.

Most are forked with the libraries loaded (tests/fork_server.py); those that a terminal starts, and those of the
installed wheel, start plainly.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from shared.settings import ROOT
from tests.clients.conftest import PACKAGE
from tests.fork_server import ForkServer

COMMAND = [sys.executable, "-m", "music_gen"]
PRELOADED = ("music_gen.cli.main", "music_gen.cli.making", "music_gen.cli.many", "music_gen.cli.tasks", "pydantic")
TIMEOUT_S = 60.0
Typed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def loaded_command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    with ForkServer(tmp_path_factory.mktemp("command"), PRELOADED, path=(ROOT, PACKAGE)) as fork_server:
        yield fork_server


@pytest.fixture
def typed(loaded_command: ForkServer, terminal_environment: dict[str, str], tmp_path: Path) -> Typed:
    """Type a command in a folder of its own, with the live server's address and key in its environment."""

    def typed(*arguments: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        with TemporaryFile() as given, TemporaryFile() as output, TemporaryFile() as errors:
            given.write(text.encode())
            given.seek(0)
            env = {**terminal_environment, **environment}
            child = loaded_command.spawn(
                [*COMMAND, *arguments], given=given, output=output, errors=errors, env=env, cwd=tmp_path
            )
            status = child.wait(TIMEOUT_S)
            written = []
            for file in (output, errors):
                file.seek(0)
                written.append(file.read().decode())
        return subprocess.CompletedProcess(arguments, status, *written)

    return typed


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """Let programs started meanwhile take SIGINT, which a shell's background jobs ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
