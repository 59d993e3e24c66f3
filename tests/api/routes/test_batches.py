"""Batches over HTTP. Those of the Music Gen AI API and variations are in tests of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings
from tests.shared.steps import claim, final

Answer = dict[str, Any]
BROKEN = final("the weights are broken")


def send(api: FlaskClient, requests: object, status: int = 202, **headers: str) -> Answer:
    answer = api.post("/tasks/batch", json={"requests": requests}, headers=headers)
    assert answer.status_code == status, answer.text
    return dict(answer.get_json())


def pieces(count: int, **fields: object) -> list[Answer]:
    return [{"prompt": f"piece {n}"} | fields for n in range(count)]


def fields_of(answer: Answer) -> list[str]:
    return [fault["field"] for fault in answer["error"]["details"]["fields"]]


# natively


def test_a_batch_is_answered_at_once_and_each_item_is_a_task_of_its_own(api: FlaskClient, store: JobStore) -> None:
    answer = api.post("/tasks/batch", json={"requests": pieces(100, duration=4)})
    batch = answer.get_json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == batch["status_url"] == f"/tasks/batch/{batch['batch_id']}"
    assert (batch["status"], batch["total"], batch["progress"]) == ("processing", 100, 0.0)
    assert batch["counts"] == {"queued": 100, "running": 0, "completed": 0, "failed": 0, "cancelled": 0}
    assert [task["prompt"] for task in batch["tasks"]] == [f"piece {n}" for n in range(100)]
    assert [task["position"] for task in batch["tasks"]] == list(range(100))
    task = api.get(batch["tasks"][7]["status_url"]).get_json()
    assert (task["prompt"], task["batch_id"]) == ("piece 7", batch["batch_id"])
    assert api.get("/tasks?limit=1").get_json()["total"] == 100
    assert claim(store).id == batch["tasks"][0]["task_id"]


def test_the_status_counts_and_weighs_what_is_done_and_shows_what_failed(
    api: FlaskClient, store: JobStore, finish: Callable[[Job, bytes], Job]
) -> None:
    batch = send(api, [{"prompt": "a", "duration": 4}, {"prompt": "b", "duration": 2}, {"prompt": "c", "duration": 2}])
    finish(claim(store), b"music")
    store.fail(claim(store), BROKEN)
    running = claim(store)
    store.renew(running, running.stage, 100, 200)
    seen = api.get(batch["status_url"]).get_json()
    assert (seen["status"], seen["counts"]["completed"], seen["counts"]["failed"]) == ("processing", 1, 1)
    assert seen["progress"] == 87.4  # 4 of 8 s done, 2 failed, and 49.5 % of the last 2
    assert seen["eta_s"] == pytest.approx(0, abs=5)
    assert [task["status"] for task in seen["tasks"]] == ["completed", "failed", "processing"]
    assert (seen["tasks"][1]["error"], seen["tasks"][1]["error_code"]) == (
        "the weights are broken",
        "GENERATION_FAILED",
    )
    assert api.get(seen["tasks"][0]["audio_url"]).data == b"music"
    finish(running, b"more")
    ended = api.get(batch["status_url"]).get_json()
    assert (ended["status"], ended["progress"], ended["eta_s"]) == ("partial", 100.0, None)


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        ("cc", "completed"),
        ("cf", "partial"),
        ("cx", "partial"),
        ("ff", "failed"),
        ("fx", "failed"),
        ("xx", "cancelled"),
    ],
)
def test_a_batch_ends_as_its_tasks_do(
    api: FlaskClient, store: JobStore, finish: Callable[[Job, bytes], Job], ends: str, status: str
) -> None:
    batch = send(api, pieces(2))
    for end in ends:
        job = claim(store)
        if end == "c":
            finish(job, b"x")
        elif end == "f":
            store.fail(job, BROKEN)
        else:
            store.cancel(job.id)
    assert api.get(batch["status_url"]).get_json()["status"] == status


def test_the_end_of_a_batch_is_that_of_its_last_task(
    new_pace: Callable[[], None],
    api: FlaskClient,
    store: JobStore,
    client: redis.Redis,
    finish: Callable[[Job, bytes], Job],
) -> None:
    assert send(api, pieces(1, duration=8))["eta_s"] is None, "nobody knows how fast the worker is"
    job = claim(store)
    client.hincrby(f"ostinato:job:{job.id}", "started_ms", -16_000)
    finish(job, b"x")  # 8 s of music in 16 s, on one slot
    new_pace()
    send(api, pieces(2, duration=8))
    new_pace()
    batch = send(api, pieces(2, duration=8))
    assert batch["eta_s"] == batch["tasks"][1]["eta_s"] == pytest.approx(64, abs=8)


def test_every_bad_field_of_every_request_is_named_and_nothing_is_queued(api: FlaskClient, store: JobStore) -> None:
    bad = [
        {"prompt": "fine"},
        {"prompt": " ", "temperature": 9},
        {"prompt": "x", "model": "nobody's", "webhook_url": "ftp://x"},
        {"prompt": "x", "tempo": 90},
        {"prompt": "x", "melody": "hum.wav", "variations": 3},
    ]
    answer = send(api, bad, 400)
    assert sorted(fields_of(answer)) == [
        *("requests[1].prompt", "requests[1].temperature", "requests[2].model", "requests[2].webhook_url"),
        *("requests[3].tempo", "requests[4].melody", "requests[4].variations"),
    ]
    assert "requests[1].prompt: is empty or blank" in answer["error"]["message"]
    assert store.reader.waiting() == {}


@pytest.mark.parametrize(
    ("requests", "field"),
    [
        ([], "requests"),
        (None, "requests"),
        ({"prompt": "x"}, "requests"),
        ("x", "requests"),
        ([{"prompt": "x"}] * 101, "requests"),
        ([{"prompt": "x"}, "y"], "requests[1]"),
        ([[]], "requests[0]"),
    ],
)
def test_what_is_no_batch_is_refused_by_name(api: FlaskClient, requests: object, field: str) -> None:
    for path in ("/tasks/batch", "/api/v1/generate/batch"):
        answer = api.post(path, json={"requests": requests})
        assert answer.status_code == 400, answer.text
        assert fields_of(answer.get_json()) == [field]
        assert fields_of(api.post(path, json={"requests": requests, "prompt": "x"}).get_json()) == ["prompt", field]


def test_a_model_that_nobody_serves_refuses_the_whole_batch_by_index(api: FlaskClient, store: JobStore) -> None:
    answer = send(api, [{"prompt": "x"}, {"prompt": "x", "model": "large"}], 503)
    assert answer["error"]["details"]["field"] == "requests[1].model"
    assert store.reader.waiting() == {}


def test_a_repeated_batch_under_one_key_is_the_same_one_even_when_the_queue_is_full(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], store: JobStore
) -> None:
    api = open_api(make_settings(max_queue_length=2))
    first = api.post("/tasks/batch", json={"requests": pieces(2)}, headers={"Idempotency-Key": "k"})
    again = api.post("/tasks/batch", json={"requests": pieces(2)}, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert "Idempotency-Replayed" not in first.headers
    assert again.get_json()["batch_id"] == first.get_json()["batch_id"]
    assert store.reader.waiting() == {"tiny": 2}
    key = {"Idempotency-Key": "k"}
    for path, body in (
        ("/tasks/batch", {"requests": list(reversed(pieces(2)))}),
        ("/tasks", {"prompt": "piece 0"}),
        ("/tasks", {"prompt": "piece 0", "variations": 2}),
    ):
        answer = api.post(path, json=body, headers=key)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (422, "IDEMPOTENCY_CONFLICT")


def test_deleting_a_batch_cancels_all_that_has_not_ended_and_twice_is_fine(
    api: FlaskClient, store: JobStore, finish: Callable[[Job, bytes], Job]
) -> None:
    batch = send(api, pieces(4))
    finish(claim(store), b"music")
    claim(store)
    for _ in range(2):
        answer = api.delete(batch["status_url"])
        assert (answer.status_code, answer.get_json()["status"]) == (200, "partial")
        assert answer.get_json()["counts"] == {"queued": 0, "running": 0, "completed": 1, "failed": 0, "cancelled": 3}
    assert store.claim("tiny", "w1") is None


def test_an_unknown_batch_and_a_tasks_id_are_not_found(api: FlaskClient) -> None:
    task = api.post("/tasks", json={"prompt": "x"}).get_json()
    for batch_id in ("nothing", task["task_id"]):
        for method in ("GET", "DELETE"):
            answer = api.open(f"/tasks/batch/{batch_id}", method=method)
            assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "NOT_FOUND")


def test_a_batch_shows_how_a_purged_task_ended(
    api: FlaskClient, store: JobStore, finish: Callable[[Job, bytes], Job]
) -> None:
    batch = send(api, pieces(2))
    finish(claim(store), b"x")
    api.delete(f"{batch['tasks'][0]['status_url']}?purge=1")
    seen = api.get(batch["status_url"]).get_json()
    assert seen["tasks"][0] == {"task_id": batch["tasks"][0]["task_id"], "status": "completed", "gone": True}
    assert seen["counts"]["completed"] == 1


def test_equal_requests_share_one_generation_and_kept_music_is_answered_at_once(
    api: FlaskClient, store: JobStore, settings: Settings, finish: Callable[[Job, bytes], Job]
) -> None:
    batch = send(api, [{"prompt": "x", "seed": 1}, {"prompt": "x", "seed": 1}])
    result = finish(claim(store), b"music").result
    assert result is not None
    assert api.get(batch["status_url"]).get_json()["status"] == "completed"
    again = send(api, [{"prompt": "x", "seed": 1}, {"prompt": "x", "seed": 2}])
    assert [task["status"] for task in again["tasks"]] == ["completed", "processing"]
    (settings.local_storage_path / result.key).unlink()
    anew = send(api, [{"prompt": "x", "seed": 1}])
    assert anew["tasks"][0]["status"] == "processing", "its audio is gone, so it is made again"


def test_each_item_tells_its_own_webhook(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], store: JobStore, client: redis.Redis
) -> None:
    api = open_api(make_settings(webhook_allow_private=True))
    batch = send(api, [{"prompt": "a", "webhook_url": "http://127.0.0.1:9/a"}, {"prompt": "b"}])
    api.delete(batch["status_url"])
    owed = client.zrange("ostinato:webhooks:due", 0, -1)
    assert [entry.partition("|")[0] for entry in owed] == [batch["tasks"][0]["task_id"]]
