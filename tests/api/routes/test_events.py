from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.streaming import event_hub
from api.streaming.event_hub import BUFFER_ENTRIES, READ_ENTRIES, EventHub, Outlook
from api.streaming.shutdown import Shutdown
from shared.errors import GenerationFailed
from shared.jobs.event_log import Entry, EventLog
from shared.jobs.job import Job, Stage, Status
from shared.jobs.store import JobStore
from shared.settings import Settings
from tests.api.conftest import TINY
from tests.api.sse import Told, listen
from tests.submitting import submit_job


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions are looked at ten times a second, to save the tests' time."""
    monkeypatch.setattr(event_hub, "OUTLOOK_EVERY_S", 0.1)


def submit(api: FlaskClient, **fields: object) -> str:
    answer = api.post("/tasks", json={"prompt": "calm piano"} | fields)
    assert answer.status_code == 202, answer.text
    return str(answer.get_json()["task_id"])


def claim(store: JobStore) -> Job:
    job = store.claim("tiny", TINY.worker)
    assert job is not None
    return job


def names(told: list[Told]) -> list[str]:
    return [event.name for event in told]


def test_a_stream_tells_a_jobs_whole_life_and_ends_by_itself(
    api: FlaskClient, store: JobStore, finish: Callable[[Job, bytes], Job]
) -> None:
    task_id = submit(api)
    stream = listen(api, task_id)
    queued = next(stream)
    assert (queued.name, queued.data["position"]) == ("queued", 0)
    job = claim(store)
    assert next(stream).name == "started"
    store.renew(job, Stage.RUNNING, 50, 200)
    progress = next(stream).data
    assert (progress["step"], progress["steps"], progress["percent"], progress["stage"]) == (50, 200, 24.8, "running")
    assert progress["eta_s"] >= 0
    finish(job, b"audio")
    (completed,) = stream
    assert completed.name == "completed"
    assert completed.data == api.get(f"/tasks/{task_id}").get_json()


def test_last_event_id_resumes_without_loss_or_doubling(
    api: FlaskClient, store: JobStore, finish: Callable[[Job, bytes], Job]
) -> None:
    task_id = submit(api)
    job = claim(store)
    store.renew(job, Stage.RUNNING, 50, 200)
    stream = listen(api, task_id)
    heard = [next(stream) for _ in range(3)]
    stream.close()
    store.renew(job, Stage.RUNNING, 100, 200)
    resumed = listen(api, task_id, heard[-1].id)
    heard.append(next(resumed))
    store.renew(job, Stage.UPLOADING, 200, 200)
    finish(job, b"audio")
    heard += resumed
    assert names(heard) == ["queued", "started", "progress", "progress", "progress", "completed"]
    assert [event.data["step"] for event in heard if event.name == "progress"] == [50, 100, 200]
    assert [event.id for event in heard] == [event.id for event in listen(api, task_id)]
    assert api.get(f"/tasks/{task_id}/events?last_event_id={heard[-2].id}").text.count("event: ") == 1


def test_whoever_heard_the_end_gets_no_content_so_that_a_browser_stays_away(api: FlaskClient) -> None:
    task_id = submit(api)
    api.delete(f"/tasks/{task_id}")
    told = [*listen(api, task_id)]
    assert names(told) == ["queued", "cancelled"]
    again = api.get(f"/tasks/{task_id}/events", headers={"Last-Event-ID": str(told[-1].id)})
    assert (again.status_code, again.data) == (204, b"")


def test_the_position_is_told_again_when_it_changes(api: FlaskClient, store: JobStore) -> None:
    ahead = [submit(api) for _ in range(2)]
    stream = listen(api, submit(api))
    assert next(stream).data["position"] == 2
    api.delete(f"/tasks/{ahead[1]}")
    moved = next(stream)
    assert (moved.name, moved.data["position"], moved.id) == ("queued", 1, None)
    claim(store)
    assert next(stream).data["position"] == 0
    claim(store)
    assert next(stream).name == "started"
    stream.close()


def test_an_attempt_that_fails_is_told_as_requeued_and_the_last_one_as_failed(
    api: FlaskClient, store: JobStore, settings: Settings
) -> None:
    task_id = submit(api)
    for _ in range(settings.max_attempts):
        store.fail(claim(store), GenerationFailed("the model raised"))
    told = [*listen(api, task_id)]
    again = [event for event in told if event.name == "requeued"]
    assert len(again) == settings.max_attempts - 1
    assert (again[0].data["reason"], again[0].data["code"]) == ("failed", "GENERATION_FAILED")
    assert told[-1].name == "failed"
    assert told[-1].data["error_code"] == "GENERATION_FAILED"


def test_a_job_that_is_purged_ends_its_open_streams(api: FlaskClient) -> None:
    task_id = submit(api)
    stream = listen(api, task_id)
    next(stream)
    api.delete(f"/tasks/{task_id}?purge=1")
    assert [*stream][-1].name in ("gone", "cancelled")
    assert api.get(f"/tasks/{task_id}/events").status_code == 404


def test_a_record_that_expires_under_an_open_stream_is_told_as_gone(api: FlaskClient, client: redis.Redis) -> None:
    task_id = submit(api)
    stream = listen(api, task_id)
    next(stream)
    client.delete(f"ostinato:job:{task_id}", f"ostinato:events:{task_id}")
    assert names([*stream]) == ["gone"]


def test_a_job_whose_log_is_lost_still_has_its_end_told(api: FlaskClient, client: redis.Redis) -> None:
    task_id = submit(api)
    stream = listen(api, task_id)
    next(stream)
    api.delete(f"/tasks/{task_id}")
    client.delete(f"ostinato:events:{task_id}")
    assert names([*stream])[-1:] == ["cancelled"]
    assert names([*listen(api, task_id)]) == ["cancelled"]


def test_unknown_tasks_others_tasks_and_wrong_ids_are_refused_as_everywhere(
    api: FlaskClient, store: JobStore, request_for: Callable[..., Any]
) -> None:
    theirs = submit_job(store, request_for(), "tiny", account="somebody-else", source="tasks").id
    for task_id in ("no-such-task", theirs):
        answer = api.get(f"/tasks/{task_id}/events")
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "NOT_FOUND")
    wrong = api.get(f"/tasks/{submit(api)}/events", headers={"Last-Event-ID": "yesterday"})
    assert wrong.status_code == 400
    assert wrong.get_json()["error"]["details"]["fields"][0]["field"] == "last_event_id"


def test_proxies_are_told_to_pass_events_on_at_once(api: FlaskClient) -> None:
    task_id = submit(api)
    api.delete(f"/tasks/{task_id}")
    answer = api.get(f"/tasks/{task_id}/events")
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-store", "no")
    assert answer.text.startswith("retry: ")
    assert api.head(f"/tasks/{task_id}/events").status_code == 200


def test_a_reader_that_stops_reading_leaves_the_backlog_in_redis_and_misses_nothing(
    client: redis.Redis, store: JobStore
) -> None:
    def log(step: int) -> None:
        client.xadd("ostinato:events:a", {"type": "progress", "at_ms": 1, "step": step, "steps": 500})

    log(0)
    reader = EventHub(
        EventLog(client), lambda ids: dict.fromkeys(ids, Outlook(Status.RUNNING)), store.reader.statuses, Shutdown()
    )
    slow = reader.subscribe("a", "0", silence_s=5.0)
    heard = next(slow)
    for step in range(1, 500):
        log(step)
    (buffer,) = reader._subscriptions
    while not buffer.is_full:
        pass
    assert len(buffer._entries) < BUFFER_ENTRIES + READ_ENTRIES
    client.xadd("ostinato:events:a", {"type": "completed", "at_ms": 2})
    entries = [n for n in itertools.chain(heard, *slow) if isinstance(n, Entry)]
    assert [entry.number("step") for entry in entries[:-1]] == list(range(500))
    assert entries[-1].ends
    assert not reader._subscriptions


def test_two_streams_of_one_job_at_different_places_each_hear_what_they_miss(
    client: redis.Redis, store: JobStore
) -> None:
    ids = [client.xadd("ostinato:events:a", {"type": "progress", "at_ms": n}) for n in range(3)]
    reader = EventHub(
        EventLog(client), lambda ids: dict.fromkeys(ids, Outlook(Status.RUNNING)), store.reader.statuses, Shutdown()
    )
    streams = [reader.subscribe("a", str(after), silence_s=5.0) for after in ("0", ids[1])]
    firsts = [next(stream) for stream in streams]
    client.xadd("ostinato:events:a", {"type": "failed", "at_ms": 9})
    heard = [
        [n.at for n in itertools.chain(first, *rest) if isinstance(n, Entry)]
        for first, rest in zip(firsts, streams, strict=True)
    ]
    assert heard == [[0.0, 0.001, 0.002, 0.009], [0.002, 0.009]]
