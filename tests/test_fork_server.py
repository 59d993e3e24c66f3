"""Compare what the fork server forks with what a plain start makes: told by the processes themselves."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.settings import ROOT
from stack import child_process
from stack.program import Program
from tests.fork_server import FIXED, ForkServer

pytestmark = [
    pytest.mark.xdist_group("stack"),
    pytest.mark.skipif(sys.platform != "linux", reason="it forks on Linux only"),
    pytest.mark.slow,
]
PATIENCE_S = 60.0


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Program]:
    def start(spawn: Callable[..., child_process.Child], *words: str) -> Program:
        env = {**os.environ, **FIXED, "PYTHONPATH": str(ROOT), "WORD": words[0]}
        command = [sys.executable, "-m", "tests.process_report", *words]
        program = Program("report", command, tmp_path / "log", env, ROOT, at_parent_death=signal.SIGUSR1, spawn=spawn)
        program.start()
        return program

    return start


def end(program: Program) -> str:
    assert program._process is not None
    program._process.wait(PATIENCE_S)
    return program.how_it_ended()


def test_a_child_is_as_one_that_was_started_plainly(fork_server: ForkServer, start: Callable[..., Program]) -> None:
    told: list[dict[str, Any]] = []
    for spawn in (child_process.spawn, fork_server.spawn):
        program = start(spawn, "one", "two words")
        assert end(program) == "ended with exit code 0", program.log_path.read_text()
        told.append(json.loads(program.log_path.read_text()))
    assert told[0] == told[1]
    assert (told[0]["leads its group"], told[0]["at parent's death"]) == (True, signal.SIGUSR1)


def test_its_end_is_told_and_it_can_be_ended(fork_server: ForkServer, start: Callable[..., Program]) -> None:
    assert end(start(fork_server.spawn, "3")) == "ended with exit code 3"
    for stop, told in ((Program.stop, "was ended by SIGTERM"), (Program.kill, "was ended by SIGKILL")):
        program = start(fork_server.spawn, "stay")
        assert program.is_running()
        stop(program)
        assert (program.is_running(), program.how_it_ended()) == (False, told)


def test_what_it_cannot_give_it_refuses(fork_server: ForkServer, start: Callable[..., Program], tmp_path: Path) -> None:
    with (tmp_path / "other").open("wb") as log:
        with pytest.raises(ValueError, match="it forks only what is run as"):
            fork_server.spawn(["celery"], output=log)
        with pytest.raises(ValueError, match="OMP_NUM_THREADS: cannot differ"):
            fork_server.spawn([sys.executable, "-m", "celery"], output=log, env={"OMP_NUM_THREADS": "2"})
