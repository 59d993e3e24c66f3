"""The webhook's fields over HTTP, and what became of it."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.webhooks.delivery_queue import Delivery, DeliveryQueue, State, Try
from tests.audio_fixtures import file_of, tone

URL = "https://hooks.example/music"


def submit(api: FlaskClient, **fields: object) -> str:
    answer = api.post("/tasks", json={"prompt": "calm piano"} | fields)
    assert answer.status_code == 202, answer.text
    return str(answer.get_json()["task_id"])


def test_a_task_without_a_webhook_has_no_deliveries(api: FlaskClient) -> None:
    answer = api.get(f"/tasks/{submit(api)}/deliveries").get_json()
    assert (answer["webhook_url"], answer["webhook_events"], answer["deliveries"]) == (None, [], [])


def test_an_unknown_tasks_deliveries_are_a_404(api: FlaskClient) -> None:
    assert api.get("/tasks/nothing/deliveries").status_code == 404


@pytest.mark.parametrize(
    ("events", "kept"),
    [
        (None, ["completed", "failed", "cancelled"]),
        (["cancelled", "started"], ["started", "cancelled"]),
        ("failed, completed", ["completed", "failed"]),
    ],
)
def test_the_wish_is_kept_and_told(api: FlaskClient, events: object, kept: list[str]) -> None:
    task_id = submit(api, webhook_url=URL, **({"webhook_events": events} if events else {}))
    answer = api.get(f"/tasks/{task_id}/deliveries").get_json()
    assert (answer["webhook_url"], answer["webhook_events"]) == (URL, kept)


def test_a_form_with_a_melody_may_name_a_webhook(api: FlaskClient) -> None:
    melody = (io.BytesIO(file_of(tone(440, 2.0), 32_000)), "hum.wav")
    form = {"prompt": "flute", "webhook_url": URL, "webhook_events": "completed", "melody": melody}
    task = api.post("/tasks", data=form, content_type="multipart/form-data").get_json()
    assert api.get(f"/tasks/{task['task_id']}/deliveries").get_json()["webhook_events"] == ["completed"]


@pytest.mark.parametrize(
    ("events", "word"), [(["finished"], "finished"), ([], "at least one"), (3, "a list"), ([3], "3"), ({}, "a list")]
)
def test_an_event_that_does_not_exist_is_refused_with_those_that_do(
    api: FlaskClient, events: object, word: str
) -> None:
    answer = api.post("/tasks", json={"prompt": "", "webhook_url": URL, "webhook_events": events})
    fields = {error["field"]: error for error in answer.get_json()["error"]["details"]["fields"]}
    assert answer.status_code == 400
    assert set(fields) == {"prompt", "webhook_events"}
    assert word in fields["webhook_events"]["message"]
    assert "started, completed, failed, cancelled" in fields["webhook_events"]["message"]


def test_a_private_receiver_is_allowed_where_the_operator_says_so(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    submit(open_api(make_settings(webhook_allow_private=True)), webhook_url="http://localhost:9/x")


def test_a_delivery_tells_each_attempt_and_when_the_next_one_is(
    api: FlaskClient, store: JobStore, settings: Settings, client: object, finish: Callable[[Job, bytes], Job]
) -> None:
    task_id = submit(api, webhook_url=URL)
    job = store.claim("tiny", "w1")
    assert job is not None
    finish(job, b"sound")
    deliveries = DeliveryQueue(client, settings)
    (claim,) = deliveries.claim(10)
    failed = Try(claim.at, 0.25, 500, "the receiver answered 500")
    assert deliveries.settle(claim, claim.delivery.after(failed, State.PENDING, claim.at + 60))
    (told,) = api.get(f"/tasks/{task_id}/deliveries").get_json()["deliveries"]
    assert (told["webhook_id"], told["event"], told["state"]) == (f"msg_{task_id}_completed", "completed", "pending")
    assert (told["attempts_made"], told["next_attempt_at"]) == (1, pytest.approx(claim.at + 60))
    (attempt,) = told["attempts"]
    assert attempt == {
        "at": pytest.approx(claim.at),
        "duration_s": 0.25,
        "status": 500,
        "error": "the receiver answered 500",
    }
    assert deliveries.claim(10) == []


def test_only_the_latest_attempts_are_kept() -> None:
    delivery = Delivery("id", "completed", 1.0)
    for number in range(50):
        delivery = delivery.after(Try(float(number), 0.1), State.PENDING, 60.0)
    kept = Delivery.from_record("id", "completed", delivery.as_record())
    assert kept == delivery
    assert (kept.tried, kept.tries[0].at, kept.tries[-1].at) == (50, 30.0, 49.0)
