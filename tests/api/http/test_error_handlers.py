from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from shared.settings import Settings


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("PUT", "/tasks", 405, "METHOD_NOT_ALLOWED"),
        ("PUT", "/tasks/x", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/tasks", 415, "UNSUPPORTED_BODY"),
    ],
)
def test_every_http_error_is_json_of_one_shape(
    api: FlaskClient, method: str, path: str, status: int, code: str
) -> None:
    answer = api.open(path, method=method)
    assert answer.status_code == status
    assert set(answer.get_json()["error"]) == {"code", "message", "details"}
    assert answer.get_json()["error"]["code"] == code


def test_a_poll_tells_its_errors_in_the_fields_of_a_failed_task_and_no_other_route_does(
    make_settings: Callable[..., Settings],
) -> None:
    api = create_app(make_settings(redis_url="redis://127.0.0.1:1/0")).test_client()
    poll = api.get("/tasks/x").get_json()
    assert set(poll) == {"error", "error_code", "error_details"}, "a broker that is away is no end of the task"
    assert (type(poll["error"]), poll["error_code"]) == (str, "BROKER_UNAVAILABLE")
    for answer in (api.delete("/tasks/x"), api.get("/tasks/x/audio"), api.get("/tasks"), api.get("/tasks/batch/x")):
        assert set(answer.get_json()) == {"error"}
        assert answer.get_json()["error"]["code"] == "BROKER_UNAVAILABLE"


def test_a_405_names_the_methods_that_work(api: FlaskClient) -> None:
    assert "POST" in api.put("/tasks").headers["Allow"]


def test_a_broker_that_is_away_is_a_503_with_retry_after_within_two_seconds(
    make_settings: Callable[..., Settings],
) -> None:
    api = create_app(make_settings(redis_url="redis://127.0.0.1:1/0")).test_client()
    for answer in (
        lambda: api.post("/tasks", json={"prompt": "x"}),
        lambda: api.get("/tasks/x"),
        lambda: api.get("/health"),
    ):
        since = time.monotonic()
        response = answer()
        assert response.status_code == 503
        assert time.monotonic() - since < 2.5
    assert int(api.get("/tasks/x").headers["Retry-After"]) > 0


def test_an_unforeseen_fault_tells_the_log_and_not_the_caller(settings: Settings, client: object) -> None:
    app = create_app(settings)

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("secret detail")

    answer = app.test_client().get("/broken")
    assert answer.status_code == 500
    assert answer.get_json()["error"]["code"] == "INTERNAL_ERROR"
    assert "secret" not in answer.text
