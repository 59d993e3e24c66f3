"""The embedded broker keeps what it was told, names what is in its way, and never outlives its owner."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.settings import ROOT
from stack.broker import EmbeddedBroker
from stack.broker_server import command
from stack.errors import FolderInUse, PortInUse, ProgramFailed, StackError
from stack.ports import free_port
from tests.stack.waiting import all_gone, is_alive, wait_for

pytestmark = pytest.mark.slow

OWNER = """
import sys, time
from stack import child_process
from stack.broker import EmbeddedBroker
child_process.KERNEL_SIGNALS &= sys.argv[2] != "no-kernel"
broker = EmbeddedBroker(sys.argv[1]).start()
print(broker.port, broker.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path / "a folder" / "broker") as running:
        yield running


def client(broker: EmbeddedBroker) -> redis.Redis:
    return redis.Redis.from_url(broker.url, decode_responses=True)


def test_what_was_answered_survives_sigkill(broker: EmbeddedBroker) -> None:
    asked = client(broker)
    for number in range(200):
        asked.rpush("numbers", number)
    assert asked.waitaof(1, 0, 10_000)[0] == 1  # a disk that is busy syncing may hold a write back for two seconds
    url = broker.url
    broker.kill()
    assert not broker.is_running()
    broker.start()
    assert broker.url == url
    assert client(broker).lrange("numbers", 0, -1) == [str(number) for number in range(200)]


def test_what_was_answered_survives_an_orderly_stop(broker: EmbeddedBroker) -> None:
    client(broker).set("key", "value")
    broker.stop()
    broker.start()
    assert client(broker).get("key") == "value"


def test_it_never_evicts_and_always_keeps_a_file(broker: EmbeddedBroker) -> None:
    settings = {name: client(broker).config_get(name)[name] for name in ("maxmemory-policy", "appendonly", "bind")}
    assert settings == {"maxmemory-policy": "noeviction", "appendonly": "yes", "bind": "127.0.0.1"}


def test_a_taken_port_is_named(broker: EmbeddedBroker, tmp_path: Path) -> None:
    with pytest.raises(PortInUse, match=str(broker.port)):
        EmbeddedBroker(tmp_path / "other", broker.port).start()


def test_a_folder_whose_owner_lives_is_refused_and_left_alone(broker: EmbeddedBroker) -> None:
    with pytest.raises(FolderInUse, match="Stop that one first"):
        EmbeddedBroker(broker.folder).start()
    assert client(broker).ping()


def test_a_stopped_broker_gives_its_folder_back(broker: EmbeddedBroker) -> None:
    broker.stop()
    with EmbeddedBroker(broker.folder) as other:
        assert client(other).ping()


def test_a_server_that_cannot_start_points_to_its_log(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    (folder / "appendonlydir").write_text("in the way")
    with pytest.raises(ProgramFailed) as failure:
        EmbeddedBroker(folder).start()
    assert any("append-only" in line for line in failure.value.log_tail())
    assert (folder / "appendonlydir").read_text() == "in the way"


def test_asking_for_the_url_too_early_says_what_to_do() -> None:
    with pytest.raises(StackError, match="start"):
        _ = EmbeddedBroker("unused").url


def test_it_lives_on_when_the_thread_that_started_it_ends(broker: EmbeddedBroker) -> None:
    broker.kill()
    thread = threading.Thread(target=broker.start)
    thread.start()
    thread.join()
    time.sleep(0.3)
    assert client(broker).ping()


def start_owner(folder: Path, word: str) -> tuple[subprocess.Popen[str], int, int]:
    command = [sys.executable, "-c", OWNER, str(folder), word]
    owner = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    port, pid = map(int, owner.stdout.readline().split())
    return owner, port, pid


@pytest.mark.parametrize("has_signal", [True, False], ids=["this kernel", "one without a signal at a parent's death"])
def test_it_dies_with_its_killed_owner(tmp_path: Path, has_signal: bool) -> None:
    owner, _, pid = start_owner(tmp_path, "" if has_signal else "no-kernel")
    assert is_alive(pid)
    owner.kill()
    owner.wait()
    assert all_gone([pid])


def orphan(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """A server of this folder that nobody owns, as a dead owner of an older version leaves it: without a password."""
    folder.mkdir(parents=True, exist_ok=True)
    words = command(folder.resolve(), port)
    place = words.index("--aclfile")
    server = subprocess.Popen(words[:place] + words[place + 2 :], stdout=subprocess.DEVNULL, process_group=0)
    (folder / "broker.pid").write_text(f"{server.pid}\n")
    assert wait_for(lambda: _answers(port))
    return server


def _answers(port: int) -> bool:
    try:
        return bool(redis.Redis(port=port).ping())
    except redis.ConnectionError:
        return False


def test_an_older_versions_orphan_is_ended_and_its_data_kept_behind_a_password(tmp_path: Path) -> None:
    server = orphan(tmp_path / "broker", port := free_port())
    redis.Redis(port=port).set("key", "value")
    # reaped as the system would do it: a zombie of ours would look alive to nobody, but hold the test up at its end
    threading.Thread(target=server.wait, daemon=True).start()
    with EmbeddedBroker(tmp_path / "broker") as broker:
        assert client(broker).get("key") == "value"
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=broker.port, retry=Retry(NoBackoff(), 0)).get("key")
    assert server.wait(5) == 0


def test_a_stranger_whose_number_stands_in_the_pid_file_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "30"])
    try:
        (tmp_path / "broker.pid").write_text(f"{stranger.pid}\n")
        with EmbeddedBroker(tmp_path):
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_ctrl_c_in_the_terminal_does_not_reach_it(broker: EmbeddedBroker) -> None:
    assert os.getpgid(broker.pid) != os.getpgid(0)
