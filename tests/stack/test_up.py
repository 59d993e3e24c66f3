"""`make up` reads its settings as the service does, and says plainly why it cannot start."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from shared.settings import ROOT, Settings
from shared.workers.registry import WorkerRegistry
from stack import up
from stack.demo_melody import SAMPLE_RATE_HZ, synthesise
from stack.isolated import isolated_services
from stack.ports import free_port, network_address
from stack.processes import Supervisor
from stack.running import RECORD_FILE
from stack.services import TINY_ALIASES, Services, StackSettings, read_stack_settings
from tests.api.conftest import TINY

pytestmark = pytest.mark.slow


def start_up(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"STATE_FOLDER": str(folder)} | environment
    command = [sys.executable, "-m", "stack.up"]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def test_a_port_in_use_is_named_with_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = start_up(tmp_path, PORT=str(port))
    assert answer.returncode == 1
    assert f"port {port} on 127.0.0.1 is in use" in answer.stderr
    assert "PORT=" in answer.stderr
    assert not (tmp_path / "broker").exists(), "nothing was started"


def test_a_bad_setting_is_named(tmp_path: Path) -> None:
    answer = start_up(tmp_path, PORT="eight thousand")
    assert answer.returncode == 2
    assert "PORT" in answer.stderr


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in StackSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)  # away from a developer's .env
    return monkeypatch


@pytest.mark.parametrize("spoilt", ["", "log", "broker", "broker/broker.pid"])
def test_a_state_folder_that_cannot_be_written_is_named_in_one_line(
    nothing_set: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoilt: str
) -> None:
    place = tmp_path / "state" / spoilt
    place.parent.mkdir(parents=True, exist_ok=True)
    place.mkdir() if spoilt.endswith("pid") else place.touch()
    nothing_set.setenv("STATE_FOLDER", str(tmp_path / "state"))
    nothing_set.setenv("PORT", str(free_port()))
    nothing_set.setattr(sys, "argv", ["stack.up"])
    assert up.main() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert str(place) in line


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize(
    ("host", "bound", "named"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.2", "127.0.0.2"),
        ("::1", "[::1]", "[::1]"),
        ("::", "[::]", "[::1]"),
        ("studio.example", "studio.example", "studio.example"),
    ],
)
def test_the_address_that_is_named_is_one_that_is_listened_to(host: str, bound: str, named: str) -> None:
    services = Services(read_stack_settings(), None, {}, host)
    assert services.url == f"http://{named}:8000"
    assert f"{bound}:8000" in services.api("redis://127.0.0.1:1/0").command


@pytest.mark.usefixtures("nothing_set")
def test_who_serves_every_address_is_told_the_one_that_others_in_the_network_open() -> None:
    for host in ("0.0.0.0", "::"):
        address = network_address()
        expected = None if address is None else f"http://{address}:8000"
        assert up.network_url(Services(read_stack_settings(), None, {}, host)) == expected
        if address is not None:
            with socket.create_server((address, 0)):
                pass  # it is this machine's own
            assert not address.startswith("127.")
    assert up.network_url(Services(read_stack_settings(), None, {}, "127.0.0.1")) is None


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize(
    ("line", "expected"),
    [("", ("2", "300")), ("WEB_CONCURRENCY=5\nGUNICORN_TIMEOUT=90.5\n", ("5", "91"))],
)
def test_what_env_says_of_the_web_server_reaches_gunicorn(
    nothing_set: pytest.MonkeyPatch, tmp_path: Path, line: str, expected: tuple[str, str]
) -> None:
    (tmp_path / ".env").write_text(line)
    api = Services(read_stack_settings(), "redis://127.0.0.1:1/0", {}).api("redis://127.0.0.1:1/0")
    show = [sys.executable, "-m", "gunicorn", "--print-config", *api.command[3:]]
    answer = subprocess.run(show, cwd=ROOT, env=os.environ | api.env, capture_output=True, text=True, timeout=60)
    read = dict(each.partition("=")[::2] for each in answer.stdout.replace(" ", "").splitlines())
    assert (read.get("workers"), read.get("timeout")) == expected, answer.stderr


def test_while_it_runs_its_settings_are_on_record_for_the_commands_beside_it(
    nothing_set: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {"STATE_FOLDER": str(tmp_path), "LEASE_S": "33"}.items():
        nothing_set.setenv(name, value)
    records = []

    class Stopped(Services):
        """Be stopped by Ctrl-C before anything starts."""

        def start(self, supervisor: Supervisor, say: Callable[[str], None]) -> None:
            records.append(json.loads((tmp_path / RECORD_FILE).read_text()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        up.run(Stopped(read_stack_settings(), None, {}))
    (record,) = records
    assert (record["pid"], record["settings"]["model"], record["settings"]["lease_s"]) == (os.getpid(), "tiny", 33)
    assert not (tmp_path / RECORD_FILE).exists()


@pytest.mark.usefixtures("nothing_set")
def test_with_nothing_set_the_tiny_model_serves_every_published_name() -> None:
    settings = read_stack_settings()
    assert (settings.model, settings.default_model, settings.port) == ("tiny", "tiny", 8000)
    assert settings.model_aliases == TINY_ALIASES
    assert settings.runpod_endpoints == {"*": "tiny"}
    assert up.read_services().redis_url is None, "an embedded broker"


def test_an_alias_or_an_endpoint_of_ones_own_leaves_the_others(nothing_set: pytest.MonkeyPatch) -> None:
    nothing_set.setenv("MODEL_ALIASES", "jingle=tiny,small=mine")
    nothing_set.setenv("RUNPOD_ENDPOINTS", "9eb182ubs5j0jf=small")
    settings = read_stack_settings()
    assert settings.model_aliases == TINY_ALIASES | {"jingle": "tiny", "small": "mine"}
    assert settings.runpod_endpoints == {"*": "tiny", "9eb182ubs5j0jf": "small"}
    api = Services(settings, "redis://127.0.0.1:1/0", {}).api("redis://127.0.0.1:1/0")
    assert api.env["RUNPOD_ENDPOINTS"] == "*=tiny,9eb182ubs5j0jf=small"


def test_a_served_model_is_not_hidden_by_an_alias(nothing_set: pytest.MonkeyPatch) -> None:
    nothing_set.setenv("SERVED_MODELS", "tiny,small")
    assert "small" not in read_stack_settings().model_aliases


def test_a_named_model_gets_no_aliases_that_would_hide_it(nothing_set: pytest.MonkeyPatch) -> None:
    nothing_set.setenv("MODEL", "facebook/musicgen-small")
    settings = read_stack_settings()
    assert (settings.default_model, settings.model_aliases) == ("small", {})


def test_a_broker_of_the_operators_own_is_used(nothing_set: pytest.MonkeyPatch) -> None:
    nothing_set.setenv("REDIS_URL", "redis://10.0.0.1:6379/3")
    assert up.read_services().redis_url == "redis://10.0.0.1:6379/3"


def test_each_served_model_gets_a_worker_on_its_own_queue(nothing_set: pytest.MonkeyPatch) -> None:
    nothing_set.setenv("SERVED_MODELS", "tiny,small")
    services = up.read_services()
    workers = [services.worker(model, "redis://127.0.0.1:1/0") for model in services.models]
    assert [worker.env["MODEL"] for worker in workers] == ["tiny", "small"]
    assert ["tiny-8000@%h" in worker.command for worker in workers] == [True, False]


@pytest.mark.usefixtures("nothing_set")
def test_a_worker_that_had_got_ready_is_told_from_one_that_had_not(client: redis.Redis, settings: Settings) -> None:
    services = Services(read_stack_settings(), None, {})
    WorkerRegistry(client, settings).announce(replace(TINY, started_at=1000.0))
    assert services.announced_since("tiny", settings.redis_url)(999.0)
    assert not services.announced_since("tiny", settings.redis_url)(1001.0), "its last life had"
    assert not services.announced_since("small", settings.redis_url)(999.0)
    assert not services.announced_since("tiny", "redis://127.0.0.1:1/0")(999.0), "nobody can tell"


def test_an_isolated_stack_takes_nothing_of_a_service_from_the_environment(
    nothing_set: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {"REDIS_URL": "redis://elsewhere/0", "S3_BUCKET_NAME": "precious", "DEVICE": "cpu"}.items():
        nothing_set.setenv(name, value)
    services = isolated_services(tmp_path, "tiny")
    environment = services.worker("tiny", "redis://127.0.0.1:1/0").env
    assert services.redis_url is None
    assert "S3_BUCKET_NAME" not in environment
    assert environment["DEVICE"] == "cpu", "what concerns the machine stays"
    assert environment["LOCAL_STORAGE_PATH"].startswith(str(tmp_path))


def test_the_hummed_melody_is_as_long_as_asked_and_never_clips() -> None:
    wave = synthesise(9.5)
    assert len(wave) == 9.5 * SAMPLE_RATE_HZ
    assert 0.4 < abs(wave).max() <= 0.5
