"""How long requests take is told of all of them, of those that are refused too."""

from __future__ import annotations

from collections.abc import Callable

import redis
from flask.testing import FlaskClient

from api.auth.keys import Allowance, Keys
from shared.settings import Settings
from tests.api.routes.test_metrics import scrape


def test_the_duration_of_refused_requests_is_counted_like_that_of_others(
    open_api: Callable[..., FlaskClient], settings: Settings, client: redis.Redis
) -> None:
    key, _ = Keys(client).create("one", Allowance(rpm=1))
    api = open_api(settings)
    given = {"X-API-Key": key}
    assert api.get("/tasks/nothing").status_code == 401
    answers = [api.post("/tasks", json={"prompt": "x"}, headers=given).status_code for _ in range(2)]
    assert answers == [202, 429]
    found = scrape(api)
    assert found["http_request_duration_seconds_count", "GET", "/tasks/<task_id>"] == 1
    assert found["http_request_duration_seconds_count", "POST", "/tasks"] == 2


def test_the_clock_of_a_request_starts_before_anything_that_may_refuse_it(api: FlaskClient) -> None:
    (hook,) = api.application.before_request_funcs[None]
    assert hook.__qualname__ == "RequestHooks._run_before"  # which begins with the clock
    assert api.get("/tasks/nothing?" + "&".join(f"k{n}=1" for n in range(500))).status_code in (400, 413)
    assert scrape(api)["http_request_duration_seconds_count", "GET", "/tasks/<task_id>"] == 1
