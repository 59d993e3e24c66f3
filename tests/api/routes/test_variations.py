"""POST /tasks with `variations`: one request, several seeds, answered as a batch."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.auth.keys import Allowance, Keys
from shared.jobs.store import JobStore
from shared.music.request import MAX_SEED
from shared.settings import Settings
from tests.api.routes.test_batches import fields_of
from tests.audio_fixtures import file_of, tone
from tests.stored import stored_files

FORM = "multipart/form-data"


def test_variations_are_a_batch_of_one_request_under_consecutive_seeds(api: FlaskClient) -> None:
    answer = api.post("/tasks", json={"prompt": "calm piano", "seed": 7, "variations": 3, "client_id": "mine"})
    batch = answer.get_json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == batch["status_url"] == f"/tasks/batch/{batch['batch_id']}"
    assert [(task["seed"], task["prompt"], task["client_id"]) for task in batch["tasks"]] == [
        (seed, "calm piano", "mine") for seed in (7, 8, 9)
    ]
    drawn = api.post("/tasks", json={"prompt": "calm piano", "variations": 2}).get_json()["tasks"]
    assert drawn[1]["seed"] == drawn[0]["seed"] + 1


@pytest.mark.parametrize("variations", [1, "1", None])
def test_one_variation_is_a_task_as_without_the_field(api: FlaskClient, variations: object) -> None:
    body, key = {"prompt": "x", "seed": 7}, {"Idempotency-Key": "k"}
    task = api.post("/tasks", json=body | {"variations": variations}, headers=key).get_json()
    assert (task["seed"], "batch_id" in task) == (7, False)
    assert api.post("/tasks", json=body, headers=key).get_json()["task_id"] == task["task_id"], "the same request"


@pytest.mark.parametrize("variations", [0, 9, -2, 2.5, "many", True, [2]])
def test_variations_that_cannot_be_are_refused_with_the_range_and_beside_other_faults(
    api: FlaskClient, variations: object
) -> None:
    answer = api.post("/tasks", json={"prompt": "", "variations": variations})
    assert answer.status_code == 400
    assert fields_of(answer.get_json()) == ["variations", "prompt"]
    assert "from 1 to 8" in answer.get_json()["error"]["message"]


def test_variations_need_room_for_their_seeds(api: FlaskClient) -> None:
    answer = api.post("/tasks", json={"prompt": "x", "seed": MAX_SEED - 1, "variations": 3})
    assert fields_of(answer.get_json()) == ["seed"]
    assert api.post("/tasks", json={"prompt": "x", "seed": MAX_SEED - 1, "variations": 2}).status_code == 202


def test_variations_for_which_there_is_no_room_are_refused_under_their_own_field(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], client: redis.Redis
) -> None:
    key = {"X-API-Key": Keys(client).create("mine", Allowance(rpm=6))[0]}
    api = open_api(make_settings(max_queue_length=2))
    for count, words in ((7, "this key has 6 a minute"), (3, "(MAX_QUEUE_LENGTH); send fewer variations")):
        refused = api.post("/tasks", json={"prompt": "x", "variations": count}, headers=key)
        assert (refused.status_code, fields_of(refused.get_json())) == (400, ["variations"])
        assert words in refused.get_json()["error"]["message"]
    unserved = api.post("/tasks", json={"prompt": "x", "variations": 2, "model": "small"}, headers=key)
    assert (unserved.status_code, unserved.get_json()["error"]["details"].get("field")) == (503, None)


def test_repeated_variations_without_a_seed_are_one_batch_under_one_key(api: FlaskClient) -> None:
    body, key = {"prompt": "x", "variations": 2}, {"Idempotency-Key": "k"}
    first, again = (api.post("/tasks", json=body, headers=key) for _ in range(2))
    assert first.get_json()["batch_id"] == again.get_json()["batch_id"]
    assert api.post("/tasks", json=body | {"variations": 3}, headers=key).status_code == 422


def test_variations_of_a_melody_store_it_once_and_a_refused_batch_leaves_none(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], settings: Settings, store: JobStore
) -> None:
    api = open_api(make_settings(max_queue_length=4))

    def stored() -> list[str]:
        return stored_files(settings.local_storage_path)

    def post() -> Any:
        melody = (io.BytesIO(file_of(tone(330, 1.0), 32_000)), "hum.wav")
        return api.post("/tasks", data={"prompt": "x", "variations": "3", "melody": melody}, content_type=FORM)

    batch = post().get_json()
    keys = {store.reader.get(task["task_id"]).request.melody for task in batch["tasks"]}
    assert len(keys) == len(stored()) == 1
    assert post().status_code == 429
    assert len(stored()) == 1
    api.delete(batch["status_url"])
    for number, task in enumerate(batch["tasks"]):
        assert len(stored()) == 1, f"purged after {number} of 3"
        api.delete(f"{task['status_url']}?purge=1")
    assert stored() == []
