"""Count a month's bytes wherever audio, or a link to the store, is given out; refuse them in each dialect's words."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import redis
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.keys import Allowance, Keys
from housekeeping.webhooks.payloads import PayloadBuilder
from shared.accounts.bandwidth import Bandwidth
from shared.accounts.key_states import KeyStates
from shared.accounts.signed_urls import Signer
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.storage import open_storage
from shared.webhooks.delivery_queue import Delivery
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.api.dialects.conftest import ALIASES, Player, bearer
from tests.servers import S3Server

SECONDS = 1
CLIP_BYTES = 44 + 2 * 32000 * SECONDS  # what the player makes of a second
BODY = {"prompt": "x", "duration": SECONDS}


def used(api: FlaskClient, key: str) -> int:
    told: dict[str, Any] = api.get("/usage", headers=bearer(key)).json or {}
    return int(told["bandwidth"]["used"])


def finished(api: FlaskClient, key: str) -> str:
    """Return the id of a completed task."""
    answer = api.post("/api/v1/generate", json=BODY, headers=bearer(key)).json or {}
    while (api.get(f"/tasks/{answer['task_id']}", headers=bearer(key)).json or {})["status"] == "processing":
        time.sleep(0.02)
    return str(answer["task_id"])


def test_audio_is_counted_wherever_it_is_served_and_told_nowhere_else(api: FlaskClient, keys: Keys) -> None:
    key, _ = keys.create("one", Allowance())
    sound = api.post("/generate", json=BODY, headers=bearer(key)).json or {}
    file = api.post("/generate/", json={"text": "x", "duration": SECONDS}, headers=bearer(key)).json or {}
    task_id = finished(api, key)
    for path in (f"/tasks/{task_id}", "/tasks", f"/api/v1/generate/{task_id}", "/files/"):
        assert api.get(path, headers=bearer(key)).status_code == 200
    assert used(api, key) == 0
    whole = api.get(f"/tasks/{task_id}/audio", headers=bearer(key))
    assert len(whole.data) == CLIP_BYTES
    for count, link in enumerate((sound["audio_url"], file["file_url"]), 2):
        assert api.get(link).status_code == 200  # signed: it needs no key, and is its account's all the same
        assert used(api, key) == count * CLIP_BYTES
    before = used(api, key)
    part = api.get(f"/tasks/{task_id}/audio", headers=bearer(key) | {"Range": "bytes=0-99"})
    assert (part.status_code, used(api, key) - before) == (206, 100)
    api.head(f"/tasks/{task_id}/audio", headers=bearer(key))
    api.get(f"/tasks/{task_id}/audio", headers=bearer(key) | {"If-None-Match": whole.headers["ETag"]})
    assert used(api, key) - before == 100
    api.post("/generate", json=BODY | {"return_type": "base64"}, headers=bearer(key))
    assert used(api, key) - before == 100 + CLIP_BYTES
    done = api.post("/v2/tiny/runsync", json={"input": BODY}, headers=bearer(key)).json or {}
    api.get(f"/v2/tiny/status/{done['id']}", headers=bearer(key))
    assert used(api, key) - before == 100 + 3 * CLIP_BYTES


def test_a_month_that_is_used_up_is_a_429_in_the_dialects_words(api: FlaskClient, keys: Keys) -> None:
    key, _ = keys.create("one", Allowance(monthly_bytes=CLIP_BYTES + 5))
    task_id = finished(api, key)
    sound = api.post("/generate", json=BODY, headers=bearer(key)).json or {}
    file = api.post("/generate/", json={"text": "x", "duration": SECONDS}, headers=bearer(key)).json or {}
    run = api.post("/v2/tiny/run", json={"input": BODY}, headers=bearer(key)).json or {}
    assert api.get(f"/tasks/{task_id}/audio", headers=bearer(key)).status_code == 200
    refused = {
        "tasks": api.get(f"/tasks/{task_id}/audio", headers=bearer(key)),
        "audiocraft_rest": api.get(sound["audio_url"]),
        "base64": api.post("/generate", json=BODY | {"return_type": "base64"}, headers=bearer(key)),
        "srocks": api.get(file["file_url"]),
        "runpod": api.post(f"/v2/tiny/status/{run['id']}", headers=bearer(key)),
    }
    for name, answer in refused.items():
        assert answer.status_code == 429, name
        assert 0 < int(answer.headers["Retry-After"]) <= 31 * 24 * 3600
        assert "bytes of audio a month" in answer.get_data(as_text=True)
    shapes = {name: sorted(answer.json or {}) for name, answer in refused.items()}
    assert shapes == {
        "tasks": ["error"], "audiocraft_rest": ["error"], "base64": ["error"], "srocks": ["detail"], "runpod": ["error"]
    }  # fmt: skip
    assert used(api, key) == CLIP_BYTES
    assert api.get(f"/tasks/{task_id}", headers=bearer(key)).get_json()["status"] == "completed"


def test_music_that_could_not_be_fetched_is_not_made(api: FlaskClient, keys: Keys, player: Player) -> None:
    key, _ = keys.create("one", Allowance(monthly_bytes=CLIP_BYTES))
    task_id = finished(api, key)
    assert api.get(f"/tasks/{task_id}/audio", headers=bearer(key)).status_code == 200
    made = len(player.seen)
    for path, body in (("/tasks", BODY), ("/v1/audio/music", {"description": "x"}), ("/v2/tiny/run", {"input": BODY})):
        answer = api.post(path, json=body, headers=bearer(key))
        assert answer.status_code == 429, path
        assert int(answer.headers["Retry-After"]) > 0
    assert api.post(f"/v2/tiny/cancel/{task_id}", headers=bearer(key)).status_code == 409, "that makes nothing"
    assert len(player.seen) == made


def test_without_keys_nothing_is_counted(api: FlaskClient, client: redis.Redis) -> None:
    sound = api.post("/generate", json=BODY).json or {}
    assert api.get(sound["audio_url"]).status_code == 200
    assert not client.keys("ostinato:bytes:*")


@pytest.fixture
def s3_settings(s3: S3Server, make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(model_aliases=ALIASES, **s3.settings)


@pytest.fixture
def s3_api(client: redis.Redis, s3_settings: Settings) -> Iterator[FlaskClient]:
    WorkerRegistry(client, s3_settings).announce(TINY)
    player = Player(s3_settings)
    player.start()
    yield create_app(s3_settings).test_client()
    player.stop()


def test_a_link_to_the_store_counts_once_in_its_lifetime_however_often_it_is_told(
    s3_api: FlaskClient, keys: Keys, client: redis.Redis, s3: S3Server
) -> None:
    key, record = keys.create("one", Allowance(monthly_bytes=2 * CLIP_BYTES))
    task_id = finished(s3_api, key)
    for _ in range(5):
        link = (s3_api.get(f"/tasks/{task_id}", headers=bearer(key)).json or {})["audio_url"]
        assert link.startswith(s3.endpoint_url)
        assert s3_api.get(f"/tasks/{task_id}/audio", headers=bearer(key)).status_code == 302
    assert len(httpx.get(link, trust_env=False).content) == CLIP_BYTES
    assert used(s3_api, key) == CLIP_BYTES
    assert 0 < client.ttl(f"ostinato:linked:{record.account}:{task_id}") <= 3600


def test_what_is_sent_from_here_although_the_store_has_a_link_counts_as_the_link_does(
    s3_api: FlaskClient, keys: Keys
) -> None:
    key, _ = keys.create("one", Allowance(monthly_bytes=2 * CLIP_BYTES))
    task_id = finished(s3_api, key)
    for path in (f"/tasks/{task_id}/audio?via=server", f"/tasks/{task_id}/stream?format=wav&via=server"):
        for _ in range(2):
            whole = s3_api.get(path, headers=bearer(key))
            assert (whole.status_code, len(whole.data)) == (200, CLIP_BYTES)
    assert used(s3_api, key) == CLIP_BYTES


def test_a_poll_goes_on_when_the_month_is_used_up_and_a_list_costs_nothing(
    s3_api: FlaskClient, keys: Keys, s3: S3Server
) -> None:
    key, _ = keys.create("one", Allowance(monthly_bytes=CLIP_BYTES + 1))
    one, two = finished(s3_api, key), None
    assert used(s3_api, key) == CLIP_BYTES
    two = finished(s3_api, key)
    link = (s3_api.get(f"/tasks/{two}", headers=bearer(key)).json or {})["audio_url"]
    assert link.startswith(f"/tasks/{two}/audio?")
    assert s3_api.get(link).status_code == 429
    assert s3_api.get(f"/tasks/{one}/audio", headers=bearer(key)).status_code == 302, "that one is paid for"
    listed = (s3_api.get("/tasks", headers=bearer(key)).json or {})["tasks"]
    assert [task["audio_url"].startswith("/tasks/") for task in listed] == [True, True]
    assert used(s3_api, key) == CLIP_BYTES


def test_looking_at_a_batch_costs_nothing_until_its_audio_is_fetched(s3_api: FlaskClient, keys: Keys) -> None:
    key, _ = keys.create("one", Allowance())
    sent = {"requests": [BODY, BODY | {"prompt": "fast drums"}]}
    batch = s3_api.post("/tasks/batch", json=sent, headers=bearer(key)).json or {}
    paths = (batch["status_url"], f"/api/v1/generate/batch/{batch['batch_id']}")
    for path in paths:
        while (told := s3_api.get(path, headers=bearer(key)).json or {})["status"] == "processing":
            time.sleep(0.02)
        assert [task["status"] for task in told["tasks"]] == ["completed"] * 2
    assert used(s3_api, key) == 0
    link = (s3_api.get(paths[0], headers=bearer(key)).json or {})["tasks"][0]["audio_url"]
    assert s3_api.get(link).status_code == 302
    assert used(s3_api, key) == CLIP_BYTES


def test_usage_tells_what_runs_and_a_bound_travels_with_the_submission(
    api: FlaskClient, keys: Keys, player: Player, dialect_settings: Settings, client: redis.Redis
) -> None:
    player.rest()
    key, record = keys.create("one", Allowance(concurrent=1))
    for _ in range(3):
        assert api.post("/tasks", json=BODY, headers=bearer(key)).status_code == 202
    store = JobStore(client, dialect_settings)
    assert [store.claim("tiny", "w1") is not None for _ in range(2)] == [True, False]
    usage = api.get("/usage", headers=bearer(key)).json or {}
    assert usage["concurrent"] == {"limit": 1, "used": 1}
    more, _ = keys.create("two", Allowance(concurrent=2), record.account)
    assert api.post("/v2/tiny/run", json={"input": BODY}, headers=bearer(more)).status_code == 200
    assert [store.claim("tiny", "w1") is not None for _ in range(2)] == [True, False]
    assert (api.get("/usage", headers=bearer(key)).json or {})["concurrent"] == {"limit": 2, "used": 2}


def test_a_store_link_in_a_webhook_counts_too(
    s3_api: FlaskClient, keys: Keys, client: redis.Redis, s3_settings: Settings
) -> None:
    key, record = keys.create("one", Allowance(monthly_bytes=None))
    task_id = str((s3_api.post("/tasks", json=BODY, headers=bearer(key)).json or {})["task_id"])
    store = JobStore(client, s3_settings)
    while not store.reader.get(task_id).status.ended:
        time.sleep(0.02)
    bandwidth, states = Bandwidth(client, 3600), KeyStates(client)
    what = (
        open_storage(s3_settings),
        Signer(client, 60),
        states,
        bandwidth,
        s3_settings,
        store.reader,
        client,
    )
    for _ in range(2):
        told = PayloadBuilder(*what).build(store.reader.get(task_id), Delivery(task_id, "completed", 0))
        assert b"X-Amz-Signature" in told
        assert b"X-Amz-Expires=900" in told, "nobody can take such a link back"
    assert bandwidth.used(record.account) == CLIP_BYTES
    keys.disable(record.id)
    told = PayloadBuilder(*what).build(store.reader.get(task_id), Delivery(task_id, "completed", 0))
    assert b"X-Amz-Signature" not in told
    link = json.loads(told)["data"]["audio_url"]
    assert s3_api.get(link).status_code == 401, "the account has no key any more"
    keys.create("new", Allowance(), record.account)
    assert b"X-Amz-Signature" in PayloadBuilder(*what).build(
        store.reader.get(task_id), Delivery(task_id, "completed", 0)
    )
