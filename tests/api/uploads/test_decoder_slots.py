"""The machine's decoders: how many one account may hold, over threads and processes, also when one is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from api.uploads import decoder_slots
from api.uploads.decoder_slots import DecoderSlots, open_slots
from shared.errors import ConfigurationError, RateLimited, Unavailable
from shared.jobs.job import LOCAL
from shared.settings import ROOT, Settings

LONG_S = 20.0  # to wait for what comes at once


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "slots"


def take(slots: DecoderSlots, held: ExitStack, account: str, times: int) -> None:
    for _ in range(times):
        held.enter_context(slots.acquire(account, LONG_S))


@contextmanager
def holder(folder: Path, account: str, total: int) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a decoder until its standard input ends."""
    code = (
        "import sys; from pathlib import Path; from api.uploads.decoder_slots import DecoderSlots\n"
        f"with DecoderSlots(Path({str(folder)!r}), {total}).acquire({account!r}, 20):\n"
        "    print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_one_account_holds_at_most_all_decoders_but_one(folder: Path) -> None:
    slots = DecoderSlots(folder, 4)
    with ExitStack() as held:
        take(slots, held, "greedy", 3)
        with (
            pytest.raises(RateLimited, match="limit of 3 decoders for the uploads and conversions of"),
            slots.acquire("greedy", 0.0),
        ):
            pass
        take(slots, held, "another", 1)  # and it does not wait for it
        with pytest.raises(Unavailable), slots.acquire("third", 0.0):
            pass
    with ExitStack() as held:
        take(slots, held, "third", 3)  # all were given back, after refusals too


def test_while_no_key_exists_the_only_account_holds_all(folder: Path) -> None:
    slots = DecoderSlots(folder, 2)
    with ExitStack() as held:
        take(slots, held, LOCAL, 2)
        with pytest.raises(Unavailable), slots.acquire(LOCAL, 0.0):
            pass


def test_the_bound_holds_over_processes_and_a_killed_one_leaks_nothing(folder: Path) -> None:
    slots = DecoderSlots(folder, 3)
    with holder(folder, "greedy", 3) as first, holder(folder, "greedy", 3):
        with pytest.raises(RateLimited), slots.acquire("greedy", 0.0):
            pass
        with slots.acquire("another", LONG_S):
            pass
        first.send_signal(signal.SIGKILL)
        first.wait()
        with slots.acquire("greedy", LONG_S):
            pass


def test_who_waits_gets_the_decoder_that_comes_free(folder: Path) -> None:
    slots = DecoderSlots(folder, 2)
    got = threading.Event()

    def wait() -> None:
        with slots.acquire("a", LONG_S):
            got.set()

    waiting = [threading.Thread(target=wait) for _ in range(5)]
    with slots.acquire("a", LONG_S):
        for thread in waiting:
            thread.start()
        assert not got.wait(0.2)
    for thread in waiting:
        thread.join(LONG_S)
    assert got.is_set()
    assert not any(thread.is_alive() for thread in waiting)


def test_a_tidied_folder_is_made_again(folder: Path) -> None:
    slots = DecoderSlots(folder, 2)
    with slots.acquire("a", LONG_S):
        pass
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    with slots.acquire("a", LONG_S):
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("spoil", ["open to others", "a link", "a file"])
def test_a_folder_that_others_could_write_to_is_refused_at_the_start(tmp_path: Path, folder: Path, spoil: str) -> None:
    if spoil == "open to others":
        folder.mkdir()
        folder.chmod(0o777)
    elif spoil == "a link":
        folder.symlink_to(tmp_path)
    else:
        folder.touch()
    with pytest.raises(ConfigurationError, match="DECODER_SLOTS_PATH"):
        DecoderSlots(folder, 2)


def test_there_are_as_many_decoders_as_cores_and_at_least_two(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    settings = Settings(_env_file=None, decoder_slots_path=folder)
    for cores, decoders in [(1, 2), (2, 2), (16, 16)]:
        monkeypatch.setattr(decoder_slots, "_cores", lambda cores=cores: cores)
        assert open_slots(settings).total == decoders
    assert open_slots(settings.model_copy(update={"max_decoders": 5})).total == 5
