"""The embedded broker lets in nobody without its password, which only its owner can read and nothing tells."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.settings import ROOT
from stack.broker import EmbeddedBroker, address_in
from stack.broker_password import FORM, read_or_make_password
from stack.processes import Supervisor
from stack.services import Services, StackSettings

pytestmark = pytest.mark.slow

ONCE = Retry(NoBackoff(), 0)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path / "broker") as running:
        yield running


def password_of(broker: EmbeddedBroker) -> str:
    return urlsplit(broker.url).password or ""


def test_nobody_is_let_in_without_it(broker: EmbeddedBroker) -> None:
    for wrong in (None, "wrong", password_of(broker)[:-1]):
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=broker.port, password=wrong, retry=ONCE).ping()
    with socket.create_connection(("127.0.0.1", broker.port)) as plain:
        plain.sendall(b"GET key\r\n")
        assert plain.recv(100).startswith(b"-NOAUTH")
    assert redis.Redis.from_url(broker.url).ping()


def test_it_is_random_and_kept_where_only_the_owner_can_read(broker: EmbeddedBroker, tmp_path: Path) -> None:
    password = password_of(broker)
    assert FORM.fullmatch(password)
    holders = [path for path in broker.folder.rglob("*") if path.is_file() and password.encode() in path.read_bytes()]
    assert {path.name for path in holders} == {"broker.password", "broker.url"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (*holders, broker.folder / "broker.acl")} == {0o600}
    assert stat.S_IMODE(broker.folder.stat().st_mode) == 0o700
    (other := tmp_path / "other").mkdir()
    assert read_or_make_password(other) != password


def test_no_command_line_tells_it(broker: EmbeddedBroker) -> None:
    server = psutil.Process(broker.pid)
    assert server.cmdline()
    assert password_of(broker) not in " ".join(server.cmdline())
    assert password_of(broker) not in " ".join(server.environ().values())


def test_it_stays_the_same_over_restarts(tmp_path: Path) -> None:
    passwords = set()
    for _ in range(2):
        with EmbeddedBroker(tmp_path / "broker") as broker:
            passwords.add(password_of(broker))
            broker.kill()
            broker.start()
            passwords.add(password_of(broker))
    assert len(passwords) == 1


@pytest.mark.parametrize("text", ["", "short", "with a space " * 4, "x" * 44, "\0" * 43])
def test_what_is_no_password_of_ours_is_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broker.password"
    path.write_text(text)
    path.chmod(0o600)
    password = read_or_make_password(tmp_path)
    assert FORM.fullmatch(password)
    assert read_or_make_password(tmp_path) == password


def test_one_that_others_could_read_is_replaced(tmp_path: Path) -> None:
    password = read_or_make_password(tmp_path)
    (tmp_path / "broker.password").chmod(0o644)
    fresh = read_or_make_password(tmp_path)
    assert fresh != password
    assert stat.S_IMODE((tmp_path / "broker.password").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["broker.password"], "no half-written file is left"


def test_starting_the_stack_prints_its_address_without_it(tmp_path: Path) -> None:
    """The programs are told in their environment, which only their owner can read."""
    settings = StackSettings(_env_file=None, state_folder=tmp_path, local_storage_path=tmp_path / "audio")  # type: ignore[call-arg]
    said: list[str] = []
    services = Services(settings, None, dict(os.environ))
    with Supervisor(said.append) as supervisor:
        services.start(supervisor, said.append)
        url = address_in(tmp_path / "broker") or ""
    password = urlsplit(url).password
    assert password
    assert any(line.startswith("broker   redis://127.0.0.1:") for line in said)
    logs = "".join(path.read_text() for path in tmp_path.rglob("*.log"))
    assert password not in "\n".join(said) + logs


def test_two_starts_at_once_leave_one_broker_and_one_password(tmp_path: Path) -> None:
    code = (
        "import sys; from stack.broker import EmbeddedBroker\n"
        "broker = EmbeddedBroker(sys.argv[1]).start(); print(broker.url, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    both = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    lines = [process.stdout.readline().strip() for process in both if process.stdout is not None]
    (url,) = filter(None, lines)
    assert redis.Redis.from_url(url).ping()
    errors = [process.communicate()[1] for process in both]
    assert sum("FolderInUse" in error for error in errors) == 1
