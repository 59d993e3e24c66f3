"""Contestants run one at a time; who dies or hangs is out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.arena import Arena, ContestantFailed, Entrant
from bench.shapes import weights_of
from tests.fork_server import ForkServer

pytestmark = [pytest.mark.xdist_group("the engine's benchmark"), pytest.mark.slow]

PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return weights_of("tiny", tmp_path_factory.mktemp("arena"))


@pytest.fixture
def arena(tmp_path: Path, fork_server: ForkServer) -> Iterator[Arena]:
    with Arena(tmp_path, spawn=fork_server.spawn) as arena:
        yield arena


def engine(weights: Path, precision: str = "int8") -> Entrant:
    return Entrant(
        f"ours {precision}", ("ostinato", "--weights", str(weights), "--precision", precision, "--slots", "2")
    )


def test_who_has_answered_is_suspended_and_goes_on_when_asked_again(arena: Arena, weights: Path) -> None:
    entrant = engine(weights)
    facts = arena.ask(entrant, "warm", PATIENCE_S)
    assert facts["boot_peak_mb"] >= facts["boot_rss_mb"] > 0
    pid = arena.pid_of(entrant)
    assert pid is not None
    give_up_at = time.monotonic() + PATIENCE_S
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED and time.monotonic() < give_up_at:
        time.sleep(0.01)
    assert psutil.Process(pid).status() == psutil.STATUS_STOPPED
    assert arena.ask(entrant, "run 0.1 2", PATIENCE_S)["seconds"] > 0
    assert arena.pid_of(entrant) == pid


def test_who_has_waited_longest_makes_room_and_boots_anew(
    tmp_path: Path, fork_server: ForkServer, weights: Path
) -> None:
    with Arena(tmp_path, needs_bytes=1 << 60, spawn=fork_server.spawn) as arena:
        first, second = engine(weights), engine(weights, "fp32")
        arena.ask(first, "warm", PATIENCE_S)
        arena.ask(second, "warm", PATIENCE_S)
        assert arena.pid_of(first) is None
        assert arena.ask(first, "run 0.1", PATIENCE_S)["seconds"] > 0


def test_one_that_dies_is_out_with_its_last_words(arena: Arena, tmp_path: Path) -> None:
    entrant = engine(tmp_path / "no-weights")
    for _ in range(2):
        with pytest.raises(ContestantFailed, match=r"exit code 1: .*no-weights"):
            arena.ask(entrant, "warm", PATIENCE_S)


def test_one_without_an_answer_in_time_is_ended(arena: Arena, weights: Path) -> None:
    entrant = engine(weights)
    arena.ask(entrant, "warm", PATIENCE_S)
    pid = arena.pid_of(entrant)
    with pytest.raises(ContestantFailed, match="had no reply to 'run 25' after 0 s"):
        arena.ask(entrant, "run 25", 0.05)
    assert pid is not None
    assert not psutil.pid_exists(pid)


def test_all_end_with_the_arena(tmp_path: Path, fork_server: ForkServer, weights: Path) -> None:
    with Arena(tmp_path, spawn=fork_server.spawn) as arena:
        entrant = engine(weights)
        arena.ask(entrant, "warm", PATIENCE_S)
        pid = arena.pid_of(entrant)
    assert pid is not None
    assert not psutil.pid_exists(pid)
