"""Refuse by keys, accounts, limits and a full queue, in the words of each dialect."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.keys import Allowance, Keys
from shared.settings import Settings
from shared.version import VERSION
from tests.api.dialects.conftest import ALIASES, Player, bearer

ROUTES: dict[str, tuple[str, dict[str, Any]]] = {
    "tasks": ("/tasks", {"prompt": "x", "duration": 1}),
    "v1_audio": ("/v1/audio/music", {"description": "x", "duration": 1, "id": "mine"}),
    "srocks": ("/generate/", {"text": "x", "duration": 1}),
    "audiocraft_rest": ("/generate", {"prompt": "x", "duration": 1}),
    "audiocraft_rest_async": ("/generate-async", {"prompt": "x", "duration": 1}),
    "musicgen_ai": ("/api/v1/generate", {"prompt": "x", "duration": 1}),
    "runpod": ("/v2/tiny/run", {"input": {"prompt": "x", "duration": 1}}),
}


@pytest.mark.parametrize("dialect", ROUTES)
def test_without_a_right_key_the_dialect_says_unauthorized(api: FlaskClient, keys: Keys, dialect: str) -> None:
    keys.create("one", Allowance())
    path, body = ROUTES[dialect]
    for headers in ({}, {"X-API-Key": "wrong"}, bearer("wrong")):
        answer = api.post(path, json=body, headers=headers)
        assert answer.status_code == 401
        told = answer.json
        assert told is not None
        if dialect == "v1_audio":
            assert told == {"code": 401, "message": "Unauthorized"}
        elif dialect.startswith("audiocraft_rest"):
            assert told == {"error": "Invalid or missing API key"}
        elif dialect == "runpod":
            assert told == {"error": "Unauthorized"}
        elif dialect == "srocks":
            assert list(told) == ["detail"]
        else:
            assert told["error"]["code"] == "UNAUTHORIZED"


def test_a_poll_without_a_right_key_says_so_in_the_fields_of_a_failed_task(api: FlaskClient, keys: Keys) -> None:
    keys.create("one", Allowance())
    answer = api.get("/tasks/any", headers=bearer("wrong"))
    assert (answer.status_code, answer.json) == (
        401,
        {"error": "this API key is unknown or disabled", "error_code": "UNAUTHORIZED", "error_details": {}},
    )


@pytest.mark.parametrize("dialect", ROUTES)
@pytest.mark.parametrize("how", ["X-API-Key", "x-api-key", "Bearer"])
def test_a_key_is_taken_in_every_way_by_every_dialect(api: FlaskClient, keys: Keys, dialect: str, how: str) -> None:
    key, _ = keys.create("one", Allowance())
    path, body = ROUTES[dialect]
    answer = api.post(path, json=body, headers=bearer(key) if how == "Bearer" else {how: key})
    assert answer.status_code in (200, 202), answer.json
    assert answer.headers["RateLimit-Remaining"] == "99"


def test_two_different_keys_in_one_request_are_refused(api: FlaskClient, keys: Keys) -> None:
    one, two = keys.create("one", Allowance())[0], keys.create("two", Allowance())[0]
    answer = api.post("/tasks", json=ROUTES["tasks"][1], headers={"X-API-Key": one} | bearer(two))
    assert answer.status_code == 401
    assert "two different keys" in (answer.json or {})["error"]["message"]
    assert api.post("/tasks", json=ROUTES["tasks"][1], headers={"X-API-Key": one} | bearer(one)).status_code == 202


def test_another_accounts_task_is_not_there(api: FlaskClient, keys: Keys) -> None:
    mine, other = keys.create("one", Allowance())[0], keys.create("two", Allowance())[0]
    task_id = api.post("/tasks", json=ROUTES["tasks"][1], headers=bearer(mine)).json["task_id"]
    paths = [f"/tasks/{task_id}", f"/tasks/{task_id}/audio", f"/tasks/{task_id}/events", f"/tasks/{task_id}/deliveries"]
    paths += [f"/api/v1/generate/{task_id}", f"/v2/tiny/status/{task_id}", f"/audio/{task_id}.wav"]
    assert [api.get(path, headers=bearer(other)).status_code for path in paths] == [404] * len(paths)
    assert api.delete(f"/tasks/{task_id}", headers=bearer(other)).status_code == 404
    assert api.get(f"/tasks/{task_id}", headers=bearer(mine)).status_code == 200
    assert (api.get("/tasks", headers=bearer(other)).json or {})["total"] == 0


def test_audio_links_are_signed_and_need_no_key(api: FlaskClient, keys: Keys) -> None:
    mine = keys.create("one", Allowance())[0]
    for path, body, field in (
        ("/generate", ROUTES["audiocraft_rest"][1], "audio_url"),
        ("/generate/", ROUTES["srocks"][1], "file_url"),
    ):
        link = api.post(path, json=body, headers=bearer(mine)).json[field]
        assert "signature=" in link
        assert api.get(link).status_code == 200
        assert api.get(link.partition("?")[0]).status_code == 401
        assert api.get(link.replace("signature=", "signature=0")).status_code == 401
        assert api.post(link).status_code in (401, 405)


def test_a_browser_follows_events_by_a_signed_link(api: FlaskClient, keys: Keys) -> None:
    mine, other = keys.create("one", Allowance())[0], keys.create("two", Allowance())[0]
    task = api.post("/tasks", json={"prompt": "x", "duration": 1}, headers=bearer(mine)).json or {}
    link = task["events_url"]
    assert "signature=" in link
    assert b"event: completed" in api.get(link).data
    assert api.get(link.partition("?")[0]).status_code == 401
    assert api.get(link.partition("?")[0], headers=bearer(other)).status_code == 404


def test_health_needs_no_key(api: FlaskClient, keys: Keys) -> None:
    keys.create("one", Allowance())
    for path in ("/", "/health", "/health/ready", "/health/live", "/api/v1/health"):
        assert api.get(path).status_code == 200, path
    assert api.get("/tasks").status_code == 401


@pytest.mark.parametrize("dialect", ROUTES)
def test_a_rate_limit_is_told_with_headers_in_the_dialects_words(api: FlaskClient, keys: Keys, dialect: str) -> None:
    key, _ = keys.create("one", Allowance(rpm=1))
    path, body = ROUTES[dialect]
    assert api.post(path, json=body, headers=bearer(key)).status_code in (200, 202)
    answer = api.post(path, json=body, headers=bearer(key))
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert "1 submissions a minute" in answer.get_data(as_text=True)
    usage = api.get("/usage", headers=bearer(key)).json
    assert usage is not None
    assert usage["windows"]["submissions a minute"] == {"limit": 1, "used": 1}


@pytest.mark.parametrize("dialect", ROUTES)
def test_a_full_queue_is_a_429_in_the_dialects_words(
    player: Player, make_settings: Callable[..., Settings], dialect: str
) -> None:
    player.rest()
    api = create_app(make_settings(model_aliases=ALIASES, default_model="small", max_queue_length=2)).test_client()
    for _ in range(2):
        assert api.post("/tasks", json=ROUTES["tasks"][1]).status_code == 202
    path, body = ROUTES[dialect]
    answer = api.post(path, json=body)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1
    told = answer.json
    assert told is not None
    assert "MAX_QUEUE_LENGTH (2) reached" in answer.get_data(as_text=True)
    if dialect == "v1_audio":
        assert told | {"job_id": ""} == {
            "code": 429,
            "id": "mine",
            "job_id": "",
            "message": "MAX_QUEUE_LENGTH (2) reached",
            "pid": os.getpid(),
            "queue_length": 2,
            "build_number": VERSION,
        }


@pytest.mark.parametrize("dialect", ROUTES)
def test_the_same_idempotency_key_makes_one_job_in_every_dialect(
    api: FlaskClient, player: Player, dialect: str
) -> None:
    path, body = ROUTES[dialect]
    first = api.post(path, json=body, headers={"Idempotency-Key": "once"})
    again = api.post(path, json=body, headers={"Idempotency-Key": "once"})
    assert first.status_code == again.status_code in (200, 202)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (api.get("/tasks").json or {})["total"] == 1
