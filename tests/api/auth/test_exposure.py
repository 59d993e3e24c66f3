"""A server that others can reach does not start, and lets nobody in, while no key exists."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from flask.testing import FlaskClient

from api.auth.exposure import is_local, must_have_keys, refuse_open
from api.auth.keys import Allowance, Keys
from shared.errors import ConfigurationError
from shared.settings import ROOT, Settings
from stack.broker import EmbeddedBroker
from stack.ports import free_port

EVERYWHERE = {"SERVER_NAME": "0.0.0.0"}


def start(command: list[str], folder: Path, timeout_s: float = 60, **environment: str) -> tuple[int | None, str]:
    """The exit status, None when it still ran then, and what it said."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "STATE_FOLDER": str(folder)} | environment
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        output, _ = process.communicate(timeout=timeout_s)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        process.terminate()
        return None, process.communicate()[0]


@pytest.mark.parametrize(
    ("address", "local"),
    [
        *((a, True) for a in ("127.0.0.1:8000", "127.9.9.9", "localhost", "localhost:80", "[::1]:8000", "::1")),
        *((a, True) for a in ("unix:/run/api.sock", "fd://3")),
        *((a, False) for a in ("0.0.0.0:8000", ":8000", "", "[::]:8000", "::", "10.0.0.5", "example.com:80")),
        *((a, False) for a in ("localhost.example.com", "127.0.0.1.example.com:80", "[fe80::1]:8000")),
    ],
)
def test_an_address_is_local_only_when_no_other_machine_reaches_it(address: str, local: bool) -> None:
    assert is_local(address) is local


def test_where_another_program_publishes_the_port_its_address_counts(make_settings: Callable[..., Settings]) -> None:
    assert must_have_keys(["0.0.0.0:8000"], make_settings())
    assert not must_have_keys(["0.0.0.0:8000"], make_settings(bind_address="127.0.0.1"))
    assert must_have_keys(["127.0.0.1:8000"], make_settings(bind_address="0.0.0.0"))
    assert not must_have_keys(["0.0.0.0:8000"], make_settings(insecure=True))


@pytest.mark.usefixtures("client")
def test_gunicorn_refuses_a_public_address_without_keys_and_says_what_to_do(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    command = ["-m", "gunicorn", "--config", str(ROOT / "stack" / "gunicorn.conf.py"), "api.wsgi:app"]
    status, said = start(command, tmp_path, HOST="0.0.0.0", PORT="0", REDIS_URL=broker.url)
    assert status == 2, said
    assert "no API key exists, and 0.0.0.0:0 can be reached" in said
    assert "python -m api.keys create" in said
    assert "--insecure" in said
    assert "Traceback" not in said


def test_it_may_start_with_a_key_or_insecure_or_while_nobody_can_tell(
    client: redis.Redis, make_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    public = ["127.0.0.1:8000", "0.0.0.0:8000"]
    refuse_open(public[:1], make_settings())
    refuse_open(public, make_settings(insecure=True))
    refuse_open(public, make_settings(api_keys=("first",)))
    refuse_open(public, make_settings(redis_url="redis://127.0.0.1:1/0"))
    assert "cannot tell yet" in caplog.text
    with pytest.raises(ConfigurationError, match="no API key exists"):
        refuse_open(public, make_settings())
    Keys(client).create("one", Allowance())
    refuse_open(public, make_settings())


@pytest.mark.usefixtures("client")
def test_make_up_refuses_before_it_starts_anything_but_the_broker(broker: EmbeddedBroker, tmp_path: Path) -> None:
    status, said = start(["-m", "stack.up", "--host", "0.0.0.0"], tmp_path, REDIS_URL=broker.url, PORT=str(free_port()))
    assert status == 2, said
    assert "error: no API key exists, and 0.0.0.0 can be reached" in said
    assert "worker" not in said


def test_a_server_without_keys_lets_in_nobody_from_elsewhere_even_when_it_runs(
    client: redis.Redis, open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    """It came up while the broker was away, say, or by another command than ours."""
    api = open_api(make_settings())
    assert api.get("/tasks").status_code == 200
    refused = api.get("/tasks", environ_overrides=EVERYWHERE)
    assert refused.status_code == 401
    assert "api.keys create" in refused.get_data(as_text=True)
    assert api.get("/health/live", environ_overrides=EVERYWHERE).status_code == 200
    assert open_api(make_settings(insecure=True)).get("/tasks", environ_overrides=EVERYWHERE).status_code == 200
    key, _ = Keys(client).create("one", Allowance())
    headers = {"X-API-Key": key}
    assert open_api(make_settings()).get("/tasks", environ_overrides=EVERYWHERE, headers=headers).status_code == 200
