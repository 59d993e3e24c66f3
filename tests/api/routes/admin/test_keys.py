"""An operator lists, makes and disables keys; a key itself is shown once, and stands in no log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.auth.keys import Allowance, Keys
from tests.api.dialects.conftest import bearer
from tests.api.routes.admin.conftest import OperatorClient

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({}, "name", "1 to 100 printable"),
    ({"name": "x" * 101}, "name", "1 to 100 printable"),
    ({"name": "two\nlines"}, "name", "1 to 100 printable"),
    ({"name": 7}, "name", "1 to 100 printable"),
    ({"name": "x", "account": "../up"}, "account", "letters, digits"),
    ({"name": "x", "account": "team\n"}, "account", "letters, digits"),
    ({"name": "x", "rpm": 0}, "rpm", "from 1"),
    ({"name": "x", "rpd": "many"}, "rpd", "none for no limit"),
    ({"name": "x", "concurrent": True}, "concurrent", "from 1"),
    ({"name": "x", "monthly_bytes": 1e300}, "monthly_bytes", "from 1"),
    ({"name": "x", "admin": "perhaps"}, "admin", "send true"),
    ({"name": "x", "admin": True, "rpm": 5}, "rpm", "no limits"),
    ({"name": "x", "admin": True, "account": "team"}, "account", "no account"),
    ({"name": "x", "scope": "admin"}, "scope", "unknown field"),
]
Audited = Callable[[], list[tuple[str, str, str]]]


@pytest.fixture
def keyed(operator: OperatorClient, client: redis.Redis) -> OperatorClient:
    """An operator with a key."""
    operator.headers = bearer(Keys(client).create_admin("ops")[0])
    return operator


def test_the_first_key_that_is_made_here_must_be_an_operators_who_would_be_locked_out_else(
    operator: OperatorClient,
) -> None:
    refused = operator("POST", "/keys", 409, json={"name": "studio"})
    assert "admin: true" in refused["error"]["message"]
    made = operator("POST", "/keys", 201, json={"name": "ops", "admin": True})
    assert (made["scope"], made["limits"]["rpm"]) == ("admin", None)
    operator.headers = bearer(made["key"])
    assert operator("POST", "/keys", 201, json={"name": "studio"})["scope"] == "music"


def test_a_new_key_makes_music_under_its_limits_and_is_shown_once(
    keyed: OperatorClient, api: FlaskClient, client: redis.Redis, audited: Audited
) -> None:
    asked = {"name": "studio", "account": "team", "rpm": 5, "monthly_bytes": "none"}
    made = keyed("POST", "/keys", 201, json=asked)
    assert made["limits"] == {"rpm": 5, "rpd": None, "concurrent": 10, "monthly_bytes": None}
    assert api.post("/tasks", json={"prompt": "x"}, headers=bearer(made["key"])).status_code == 202
    second = keyed("POST", "/keys", 201, json={"name": "studio two", "account": "team"})
    assert second["limits"]["rpm"] == 5, "the account's"
    newest, first, ops = keyed("GET", "/keys")["keys"]
    assert [each["name"] for each in (newest, first, ops)] == ["studio two", "studio", "ops"]
    assert first["use"] == {"submissions": {"submissions a minute": 1}, "running": 0, "waiting": 1, "month_bytes": 0}
    assert (ops["scope"], ops["use"]["submissions"]) == ("admin", {})
    secret = made["key"].split("_", 2)[2]
    assert secret not in str(keyed("GET", "/keys"))
    assert secret not in str(keyed("GET", "/audit"))
    assert all(secret not in text for text in client.hvals("ostinato:keys"))
    assert ("create key", made["id"], "done") in audited()
    assert keyed("GET", "/audit")["entries"][0]["actor"] == "ops"
    assert keyed("GET", "/keys?limit=1&offset=1")["keys"] == [first]


def test_a_disabled_key_is_refused_and_its_waiting_tasks_end_if_asked(
    keyed: OperatorClient, api: FlaskClient, client: redis.Redis, audited: Audited
) -> None:
    key, record = Keys(client).create("studio", Allowance())
    task = (api.post("/tasks", json={"prompt": "x"}, headers=bearer(key)).json or {})["task_id"]
    disabled = keyed("POST", f"/keys/{record.id}/disable?cancel_jobs=1")
    assert disabled == {"id": record.id, "name": "studio", "disabled": True, "cancelled": 1}
    assert keyed("GET", f"/tasks/{task}")["task"]["status"] == "cancelled"
    assert api.get("/tasks", headers=bearer(key)).status_code == 401
    assert keyed("GET", "/keys")["keys"][0]["disabled"] is True
    keyed("POST", "/keys/unknown/disable", 404)
    keyed("POST", f"/keys/{record.id}/disable?cancel_jobs=2", 400)
    assert audited() == [("disable key", "unknown", "refused"), ("disable key", record.id, "done")]


def test_a_bad_field_is_told_with_its_remedy_and_makes_no_key(keyed: OperatorClient, client: redis.Redis) -> None:
    for body, field, words in BAD:
        refused = keyed("POST", "/keys", 400, json=body)
        (fault,) = refused["error"]["details"]["fields"]
        assert fault["field"] == field, body
        assert words in fault["message"], body
    assert len(Keys(client).all()) == 1
