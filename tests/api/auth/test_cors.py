"""Which web pages may read answers: those that are named; without keys, how the service is, everybody may read."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import redis
from flask.testing import FlaskClient

from api.auth.keys import Allowance, Keys
from shared.settings import Settings

ALLOWED = "Access-Control-Allow-Origin"
PAGE = {"Origin": "https://page.example"}
SNAPSHOT_AGE_S = 0.1


@pytest.fixture(autouse=True)
def short_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the API believe for a moment only that there is no key."""
    monkeypatch.setattr("api.auth.keys.SNAPSHOT_AGE_S", SNAPSHOT_AGE_S)


def preflight(api: FlaskClient, path: str = "/tasks") -> str | None:
    asked = PAGE | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-API-Key"}
    answer = api.options(path, headers=asked)
    assert answer.status_code == 200
    return answer.headers.get(ALLOWED)


def test_every_page_may_read_how_the_service_is_until_a_key_is_made_while_it_runs(
    api: FlaskClient, client: redis.Redis
) -> None:
    open_to_all = ("/", "/health", "/health/live", "/openapi.json")
    for path in open_to_all:
        assert preflight(api, path) in ("*", PAGE["Origin"])
        assert api.get(path, headers=PAGE).headers[ALLOWED] in ("*", PAGE["Origin"]), path
    key, _ = Keys(client).create("one", Allowance())
    time.sleep(2 * SNAPSHOT_AGE_S)
    for path in (*open_to_all, "/tasks", "/generate"):
        assert preflight(api, path) is None
        for headers in (PAGE, PAGE | {"X-API-Key": key}):
            assert ALLOWED not in api.get(path, headers=headers).headers, path


def test_no_page_that_is_not_named_may_read_prompts_music_or_events_without_keys(api: FlaskClient) -> None:
    task = (api.post("/tasks", json={"prompt": "x"}).json or {})["task_id"]
    for path in ("/tasks", f"/tasks/{task}", f"/tasks/{task}/deliveries", "/usage", "/models", "/files/"):
        assert preflight(api, path) is None
        assert ALLOWED not in api.get(path, headers=PAGE).headers, path


@pytest.mark.parametrize("origin", ["https://page.example", "*"])
def test_origins_that_are_named_hold_with_keys_and_without(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], client: redis.Redis, origin: str
) -> None:
    api = open_api(make_settings(cors_origins=(origin,)))
    for _ in range(2):
        assert preflight(api) in (origin, PAGE["Origin"])
        other = api.get("/health/live", headers={"Origin": "https://other.example"}).headers.get(ALLOWED)
        assert (other is None) == (origin != "*")
        key, _ = Keys(client).create("one", Allowance())
        time.sleep(2 * SNAPSHOT_AGE_S)
    answer = api.get("/tasks", headers=PAGE | {"X-API-Key": key})
    assert "RateLimit-Remaining" in answer.headers["Access-Control-Expose-Headers"]


def test_no_answer_ever_allows_credentials(api: FlaskClient) -> None:
    assert "Access-Control-Allow-Credentials" not in api.get("/health/live", headers=PAGE).headers
