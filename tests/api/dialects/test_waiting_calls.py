"""Make synchronous calls whose music is not done in time: they answer before the server gives up, the tasks go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from api.app import create_app
from api.handlers import wait
from api.http.request_state import request_state
from shared.settings import Settings
from tests.api.dialects.conftest import ALIASES, Player

GUNICORN_TIMEOUT_S = 0.5
CALLS: dict[str, dict[str, Any]] = {
    "/v1/audio/music": {"description": "x", "duration": 1},
    "/generate/": {"text": "x", "duration": 1},
    "/generate": {"prompt": "x", "duration": 1},
    "/v2/tiny/runsync": {"input": {"prompt": "x", "duration": 1}},
}


@pytest.mark.parametrize("path", CALLS)
def test_it_answers_within_gunicorn_timeout_and_names_the_task(
    player: Player, make_settings: Callable[..., Settings], path: str
) -> None:
    player.rest()
    settings = make_settings(model_aliases=ALIASES, default_model="small", gunicorn_timeout=GUNICORN_TIMEOUT_S)
    api = create_app(settings).test_client()
    since = time.monotonic()
    answer = api.post(path, json=CALLS[path])
    took_s = time.monotonic() - since
    task_id = (api.get("/tasks").json or {})["tasks"][0]["task_id"]
    words = f"not finished after 0 s; the task goes on, poll GET /tasks/{task_id}"
    expected = {
        "/v1/audio/music": (500, {"code": 500, "message": "Music generation failed", "error": words}),
        "/generate/": (500, {"detail": words}),
        "/generate": (500, {"error": words}),
        "/v2/tiny/runsync": (200, {"id": task_id, "status": "IN_QUEUE"}),
    }
    assert (answer.status_code, answer.json) == expected[path]
    assert took_s >= 0.9 * GUNICORN_TIMEOUT_S
    assert (api.get(f"/tasks/{task_id}").json or {})["status"] == "processing"


@pytest.mark.parametrize(
    ("server", "timeout_s", "wait_s"),
    [
        ({"SERVER_SOFTWARE": "gunicorn/27.0.1", "wsgi.multithread": False}, 300.0, 27.0),
        ({"SERVER_SOFTWARE": "gunicorn/27.0.1", "wsgi.multithread": False}, 20.0, 18.0),
        ({"SERVER_SOFTWARE": "gunicorn/27.0.1", "wsgi.multithread": True}, 300.0, 270.0),
        ({"SERVER_SOFTWARE": "Werkzeug/3.1", "wsgi.multithread": False}, 300.0, 270.0),
    ],
    ids=["a sync worker's own limit", "a shorter GUNICORN_TIMEOUT", "a worker of many requests", "another server"],
)
def test_a_wait_ends_before_the_server_that_serves_it_gives_up(
    make_settings: Callable[..., Settings], server: dict[str, Any], timeout_s: float, wait_s: float
) -> None:
    settings = make_settings(gunicorn_timeout=timeout_s)
    app = create_app(settings)
    with app.test_request_context("/generate", environ_overrides=server):
        app.preprocess_request()
        assert wait.longest_wait_s(settings) == pytest.approx(wait_s, abs=0.5)


def test_what_an_upload_took_is_not_waited_once_more(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(gunicorn_timeout=300)
    app = create_app(settings)
    with app.test_request_context("/generate-with-melody"):
        app.preprocess_request()
        request_state().arrived_at -= 20
        assert wait.longest_wait_s(settings) == pytest.approx(250, abs=0.5)
        request_state().arrived_at -= 1000
        assert wait.longest_wait_s(settings) == 0
