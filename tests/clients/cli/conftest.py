"""Run the command as its users do: in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "music_gen"]
Typed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def typed(terminal_environment: dict[str, str], tmp_path: Path) -> Typed:
    """Type a command in a folder of its own, with the live server's address and key in its environment."""

    def typed(*arguments: str, text: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            env={**terminal_environment, **environment},
            cwd=tmp_path,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return typed


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """Let programs started meanwhile take SIGINT, which a shell's background jobs ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
