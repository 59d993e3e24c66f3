"""Five hundred polls held by one gunicorn process, as it is served."""

from __future__ import annotations

import json
import resource
import selectors
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from api.app import COMMANDS_AT_ONCE
from shared.jobs.store import JobStore
from shared.settings import Settings
from tests.api.served import Served, serve

pytestmark = pytest.mark.slow

WAITING = 500
PATIENCE_S = 20.0


@pytest.fixture
def api(tmp_path: Path, settings: Settings, client: redis.Redis) -> Iterator[Served]:
    with serve(tmp_path, settings, SERVED_MODELS="tiny", DEFAULT_MODEL="tiny", WEB_CONCURRENCY="1") as served:
        yield served


@pytest.fixture(autouse=True)
def enough_files() -> Iterator[None]:
    """A socket for each of those who wait."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * WAITING)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def hold(port: int, task: str) -> socket.socket:
    held = socket.create_connection(("127.0.0.1", port))
    held.sendall(f"GET /tasks/{task}?wait=25 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    held.settimeout(PATIENCE_S)
    return held


def answered(held: list[socket.socket]) -> int:
    """How many have something to read now."""
    with selectors.DefaultSelector() as selector:
        for each in held:
            selector.register(each, selectors.EVENT_READ)
        return len(selector.select(0))


def body_of(held: socket.socket) -> dict[str, object]:
    with held, held.makefile("rb") as reader:
        body: dict[str, object] = json.loads(reader.read().partition(b"\r\n\r\n")[2])
        return body


def test_five_hundred_that_wait_take_no_connections_others_are_served_and_a_stop_answers_who_waits(
    api: Served, client: redis.Redis, store: JobStore
) -> None:
    with httpx.Client(base_url=api.url, timeout=PATIENCE_S) as http:
        task = http.post("/tasks", json={"prompt": "calm piano"}).json()["task_id"]
        other = http.post("/tasks", json={"prompt": "loud drums"}).json()["task_id"]
        before = len(client.client_list())
        held = [hold(api.port, task) for _ in range(WAITING)]
        stages = [http.get(f"/tasks/{other}").json()["stage"] for _ in range(50)]
        assert stages == ["queued"] * 50
        assert answered(held) == 0  # they were all held meanwhile, not answered with what is no news
        assert len(client.client_list()) <= before + COMMANDS_AT_ONCE
        assert http.get("/health/live").status_code == 200
        assert http.delete(f"/tasks/{task}").status_code == 200
        assert [body_of(each)["status"] for each in held] == ["cancelled"] * WAITING
        last = hold(api.port, other)
        assert http.get(f"/tasks/{other}").json()["stage"] == "queued"  # by now the last one has been read
        api.program.request_stop()
        assert body_of(last)["stage"] == "queued"
