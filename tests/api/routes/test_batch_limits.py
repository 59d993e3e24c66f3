"""What bounds a batch: the queue, whole or not at all, and the limits and the account of its key."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import redis
from flask.testing import FlaskClient

from api.auth.keys import Allowance, Keys
from shared.jobs.store import JobStore
from shared.settings import Settings
from tests.api.routes.test_batches import fields_of, pieces, send
from tests.shared.steps import claim


def test_a_queue_with_room_for_only_some_takes_none_and_says_when_there_is_room(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], store: JobStore
) -> None:
    api = open_api(make_settings(max_queue_length=5))
    send(api, pieces(3))
    refused = api.post("/tasks/batch", json={"requests": pieces(3)})
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (429, "QUEUE_FULL")
    details = refused.get_json()["error"]["details"]
    assert (details["queue_length"], details["max_queue_length"], details["needed"]) == (3, 5, 3)
    assert int(refused.headers["Retry-After"]) > 0
    assert store.reader.waiting() == {"tiny": 3}
    send(api, pieces(2))
    assert fields_of(send(api, pieces(6), 400)) == ["requests"], "no patience would help"


def test_the_bound_holds_exactly_when_batches_and_tasks_come_at_once(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], store: JobStore
) -> None:
    app = open_api(make_settings(max_queue_length=20)).application

    def ask(number: int) -> int:
        api, size = app.test_client(), 1 + number % 4
        path, body = ("/tasks/batch", {"requests": pieces(size)}) if number % 2 else ("/tasks", {"prompt": "x"})
        answer = api.post(path, json=body)
        assert answer.status_code in (202, 429), answer.text
        return (size if number % 2 else 1) if answer.status_code == 202 else 0

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(40))) == store.reader.waiting()["tiny"] == 20


def test_a_batch_is_its_accounts_own(api: FlaskClient, client: redis.Redis) -> None:
    keys = Keys(client)
    mine, theirs = ({"X-API-Key": keys.create(name, Allowance())[0]} for name in ("mine", "theirs"))
    batch = api.post("/tasks/batch", json={"requests": pieces(2)}, headers=mine).get_json()
    for path in (batch["status_url"], f"/api/v1/generate/batch/{batch['batch_id']}"):
        assert api.get(path, headers=theirs).status_code == 404
        assert api.get(path, headers=mine).status_code == 200
        assert api.get(path).status_code == 401
    assert api.delete(batch["status_url"], headers=theirs).status_code == 404
    assert api.get(batch["status_url"], headers=mine).get_json()["counts"]["queued"] == 2


def test_a_batch_of_n_counts_n_submissions_and_a_refused_one_queues_nothing(
    api: FlaskClient, client: redis.Redis, store: JobStore
) -> None:
    key = {"X-API-Key": Keys(client).create("mine", Allowance(rpm=10))[0]}
    answer = api.post("/tasks/batch", json={"requests": pieces(6)}, headers=key)
    assert (answer.status_code, answer.headers["RateLimit-Remaining"]) == (202, "4")
    answer = api.post("/tasks/batch", json={"requests": pieces(5)}, headers=key)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (429, "RATE_LIMITED")
    assert int(answer.headers["Retry-After"]) > 0
    assert store.reader.waiting() == {"tiny": 6}
    answer = api.post("/tasks/batch", json={"requests": pieces(11)}, headers=key)
    assert fields_of(answer.get_json()) == ["requests"], "no patience would help"


def test_a_replay_counts_once(api: FlaskClient, client: redis.Redis) -> None:
    headers = {"X-API-Key": Keys(client).create("mine", Allowance(rpm=10))[0], "Idempotency-Key": "k"}
    remaining = [
        api.post("/tasks/batch", json={"requests": pieces(6)}, headers=headers).headers["RateLimit-Remaining"]
        for _ in range(2)
    ]
    assert remaining == ["4", "3"]


def test_a_batch_runs_no_more_at_once_than_its_key_allows(
    api: FlaskClient, client: redis.Redis, store: JobStore
) -> None:
    key = {"X-API-Key": Keys(client).create("mine", Allowance(concurrent=2))[0]}
    batch = api.post("/tasks/batch", json={"requests": pieces(4)}, headers=key).get_json()
    first = [claim(store).id for _ in range(2)]
    assert first == [task["task_id"] for task in batch["tasks"][:2]]
    assert store.claim("tiny", "w1") is None
    assert api.delete(batch["status_url"], headers=key).get_json()["status"] == "cancelled"
    assert store.reader.waiting() == {"tiny": 0}
