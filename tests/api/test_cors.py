"""Which web pages may call the API: everyone's while no key exists, after that only those that are named."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import redis
from flask.testing import FlaskClient

from api.keys import SNAPSHOT_AGE_S, Allowance, Keys
from shared.settings import Settings

ALLOWED = "Access-Control-Allow-Origin"
PAGE = {"Origin": "https://page.example"}


def preflight(api: FlaskClient) -> str | None:
    asked = PAGE | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-API-Key"}
    answer = api.options("/tasks", headers=asked)
    assert answer.status_code == 200
    return answer.headers.get(ALLOWED)


def test_every_page_may_call_until_a_key_is_made_while_the_service_runs(api: FlaskClient, client: redis.Redis) -> None:
    assert preflight(api) in ("*", PAGE["Origin"])
    assert api.get("/health/live", headers=PAGE).headers[ALLOWED] in ("*", PAGE["Origin"])
    key, _ = Keys(client).create("one", Allowance())
    time.sleep(SNAPSHOT_AGE_S)
    assert preflight(api) is None
    for path in ("/tasks", "/health/live", "/generate"):
        for headers in (PAGE, PAGE | {"X-API-Key": key}):
            assert ALLOWED not in api.get(path, headers=headers).headers, path


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
        time.sleep(SNAPSHOT_AGE_S)
    answer = api.get("/tasks", headers=PAGE | {"X-API-Key": key})
    assert "RateLimit-Remaining" in answer.headers["Access-Control-Expose-Headers"]


def test_no_answer_ever_allows_credentials(api: FlaskClient) -> None:
    assert "Access-Control-Allow-Credentials" not in api.get("/health/live", headers=PAGE).headers
