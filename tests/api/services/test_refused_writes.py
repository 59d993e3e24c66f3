"""Everything that a refused request writes, by name; each of it is small, and there are few of each account."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from redis.client import NEVER_DECODE

from api.auth.keys import Allowance, Keys
from shared.dialects.runpod_notes import REFUSAL_BYTES, REFUSALS_KEPT, RunpodNotes
from shared.settings import Settings
from tests.api.hostile import changing_routes, of_fields

ACCOUNT = "visitor"
RPM = 60_000
WRITES = {
    "ostinato:limits:<window>",  # a moment for each request, as many as the key may make
    f"ostinato:refused:{ACCOUNT}:<id>",  # what /v2 says of a job that failed before it began
    f"ostinato:refusals:{ACCOUNT}",  # the ids of these
}


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(default_model="tiny", max_queue_length=1)


@dataclass(frozen=True)
class Call:
    """An account's requests."""

    app: Flask
    key: str

    def __call__(self, path: str, method: str = "POST", **how: Any) -> Any:
        headers = {"X-API-Key": self.key} | how.get("headers", {})
        return self.app.test_client().open(path, method=method, **how | {"headers": headers})


@pytest.fixture
def call(open_api: Callable[..., FlaskClient], settings: Settings, client: redis.Redis) -> Call:
    allowance = Allowance(rpm=RPM, rpd=None, concurrent=None, monthly_bytes=None)
    key, _ = Keys(client).create("visitor", allowance, ACCOUNT)
    return Call(open_api(settings).application, key)


def written(client: Any) -> dict[str, bytes]:
    """Each key and what it holds, as Redis would save it."""
    return {key: dumped(client, key) for key in client.scan_iter("*")}


def dumped(client: Any, key: str) -> bytes:
    raw = client.execute_command("DUMP", key, **{NEVER_DECODE: []})
    return bytes(raw or b"")


def kind_of(key: str) -> str:
    key = re.sub(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f-]{27}", "<id>", key)
    return "ostinato:limits:<window>" if key.startswith("ostinato:limits:") else key


LONG = json.dumps({"prompt": "x"} | {"é🎵" * 2000 + str(n): "🎵" * 5000 for n in range(20)})
REFUSED: list[dict[str, Any]] = [
    {"json": of_fields(100)},
    {"json": of_fields(101)},
    {"json": {"input": of_fields(90, "y" * 10_000)}},
    {"json": {"input": {"prompt": ""}, "requests": [{"prompt": ""}] * 100, "instruments": {"a": ""}}},
    {"data": LONG, "content_type": "application/json"},
    {"data": f'{{"input": {LONG}}}', "content_type": "application/json"},
    {"data": b"x" * 1000, "content_type": "text/plain"},
    {"json": {"prompt": "x", "model": "unknown" * 1000}},
    {"json": {"prompt": ""}, "headers": {"Idempotency-Key": "k" * 300}},
    {"json": {"prompt": "x"}, "headers": {"X-API-Key": "ost_0123456789ab_wrong"}},
]


def refusals(app: Flask) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, how): every kind of refusal, at every route that changes anything."""
    for method, rule, path in changing_routes(app):
        if not rule.endswith("/purge-queue"):  # which takes no body and refuses nothing
            yield from ((method, path, how) for how in REFUSED)
    for fields in ({"prompt": "x"}, {"input": {"prompt": "x"}}):  # the queue is full, and the key is taken
        for path in ("/tasks", "/v2/tiny/run", "/api/v1/generate", "/generate-async"):
            yield "POST", path, {"json": fields}
            yield "POST", path, {"json": fields, "headers": {"Idempotency-Key": "taken"}}
    yield "POST", "/tasks/batch", {"json": {"requests": [{"prompt": "x"}] * 2}}


def test_a_refused_request_writes_nothing_but_what_is_listed_here(call: Call, client: redis.Redis) -> None:
    taken = call("/tasks", json={"prompt": "waits"}, headers={"Idempotency-Key": "taken"})
    assert taken.status_code == 202
    changed = set[str]()
    for method, path, how in refusals(call.app):
        before = written(client)
        answer = call(path, method, **how)
        if path == "/tickets" and answer.status_code == 200:
            continue
        failed = (answer.json or {}).get("status") == "FAILED"
        assert answer.status_code >= 400 or failed, f"{method} {path}: {answer.text[:200]}"
        for key, content in written(client).items():
            if content != before.get(key):
                changed.add(kind_of(key))
                grown = len(content) - len(before.get(key, b""))
                assert grown <= REFUSAL_BYTES, f"{method} {path} wrote {grown} bytes to {key}"
    assert changed == WRITES


def test_of_an_accounts_refused_jobs_only_the_last_ones_are_kept(client: redis.Redis) -> None:
    notes: Any = RunpodNotes(client, 60)
    answers = [{"id": f"{n:032x}", "status": "FAILED", "error": "🎵" * 9000} for n in range(REFUSALS_KEPT + 50)]
    kept = [notes.refuse(ACCOUNT, answer) for answer in answers]
    other = notes.refuse("another", answers[0])
    found = list(client.scan_iter(f"ostinato:refused:{ACCOUNT}:*"))
    assert len(found) == REFUSALS_KEPT
    assert notes.refusal(ACCOUNT, answers[0]["id"]) is None
    assert notes.refusal(ACCOUNT, answers[-1]["id"]) == kept[-1]
    assert notes.refusal("another", answers[0]["id"]) == other
    assert max(client.strlen(key) for key in found) <= REFUSAL_BYTES
    assert client.llen(f"ostinato:refusals:{ACCOUNT}") == REFUSALS_KEPT
    assert client.ttl(f"ostinato:refusals:{ACCOUNT}") > 0


def test_what_is_answered_is_what_can_be_asked_for_later(call: Call) -> None:
    told = call("/v2/tiny/run", json={"input": of_fields(99)}).json
    assert told["status"] == "FAILED"
    assert told["error"].endswith("and 78 more")
    assert call(f"/v2/tiny/status/{told['id']}", "GET").json == told


def test_a_window_of_requests_holds_no_more_than_the_key_may_make(
    open_api: Callable[..., FlaskClient], settings: Settings, client: redis.Redis
) -> None:
    api = open_api(settings)
    key, _ = Keys(client).create("visitor", Allowance(rpm=5, rpd=7, concurrent=None, monthly_bytes=None), ACCOUNT)
    statuses = [api.post("/tasks", json={}, headers={"X-API-Key": key}).status_code for _ in range(30)]
    assert statuses == [400] * 5 + [429] * 25
    windows = list(client.scan_iter("ostinato:limits:*"))
    assert sum(client.llen(window) for window in windows) <= 12
    assert all(client.ttl(window) > 0 for window in windows)
