"""An operator finds any account's task, reads its story, ends it, and settles dead letters."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from flask.testing import FlaskClient

from shared.errors import GenerationFailed
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from shared.storage import open_storage
from tests.api.routes.admin.conftest import OperatorClient
from tests.audio_fixtures import data_uri, file_of, tone
from tests.submitting import submit_job

Audited = Callable[[], list[tuple[str, str, str]]]


@pytest.fixture
def jobs(store: JobStore, client: redis.Redis, request_for: Callable[..., MusicRequest]) -> list[Job]:
    prompts = ("calm piano", "fast drums", "calm flute")
    return [submit_job(store, request_for(prompt=prompt), "tiny", account=prompt[:4]) for prompt in prompts]


def listed(operator: OperatorClient, query: str) -> list[str]:
    return [task["prompt"] for task in operator("GET", f"/tasks{query}")["tasks"]]


def test_all_accounts_tasks_are_listed_by_filters_and_pages(operator: OperatorClient, jobs: list[Job]) -> None:
    operator("DELETE", f"/tasks/{jobs[0].id}")
    assert listed(operator, "") == ["calm flute", "fast drums", "calm piano"]
    assert listed(operator, "?status=cancelled") == ["calm piano"]
    assert listed(operator, "?account=fast&model=tiny&status=queued") == ["fast drums"]
    assert listed(operator, f"?q=CALM&since={int(jobs[0].created_at)}") == ["calm flute", "calm piano"]
    assert listed(operator, f"?q={jobs[1].id}") == ["fast drums"]
    page = operator("GET", "/tasks?limit=2")
    assert listed(operator, f"?limit=2&before={page['next_before']}") == ["calm piano"]


def test_a_wrong_filter_is_told_with_its_remedy(operator: OperatorClient) -> None:
    for query in ("status=done", "limit=0", "limit=201", "before=-1", "since=yesterday"):
        refused = operator("GET", f"/tasks?{query}", 400)
        (fault,) = refused["error"]["details"]["fields"]
        assert fault["field"] == query.partition("=")[0]
        assert "send" in fault["message"]


def test_a_tasks_story_has_its_attempts_and_what_an_operator_did(
    operator: OperatorClient, jobs: list[Job], store: JobStore
) -> None:
    store.claim("tiny", "w1")
    assert operator("DELETE", f"/tasks/{jobs[0].id}")["status"] == "cancelled"
    told = operator("GET", f"/tasks/{jobs[0].id}")
    assert (told["task"]["account"], told["task"]["worker"], told["task"]["attempts"]) == ("calm", "w1", 1)
    assert {entry["what"] for entry in told["story"]} == {"queued", "started", "cancel", "cancelled"}
    assert [(attempt["worker"], attempt["outcome"]) for attempt in told["attempts"]] == [("w1", "cancelled")]
    assert told["deliveries"] == []
    operator("GET", "/tasks/unknown", 404)


def test_cancelling_what_has_ended_is_refused_and_that_is_in_the_audit_log(
    operator: OperatorClient, jobs: list[Job], store: JobStore, finish: Callable[[Job, bytes], Job], audited: Audited
) -> None:
    claimed = store.claim("tiny", "w1")
    assert claimed is not None
    finish(claimed, b"RIFF")
    refused = operator("DELETE", f"/tasks/{claimed.id}", 409)
    assert "completed" in refused["error"]["message"]
    operator("DELETE", "/tasks/unknown", 404)
    assert audited() == [("cancel", "unknown", "refused"), ("cancel", claimed.id, "refused")]


def test_a_failed_task_runs_again_with_its_melody_unless_that_is_gone(
    operator: OperatorClient, api: FlaskClient, store: JobStore, settings: Settings, audited: Audited
) -> None:
    hummed = {"prompt": "hummed", "melody": data_uri(file_of(tone(), 32_000))}
    ids = [(api.post("/tasks", json=hummed).json or {})["task_id"] for _ in range(2)]
    operator("POST", f"/tasks/{ids[0]}/retry", 409)
    while (job := store.claim("tiny", "w1")) is not None:
        store.fail(job, GenerationFailed("no music"))
    again = operator("POST", f"/tasks/{ids[0]}/retry")["retried_as"]
    told = [operator("GET", f"/tasks/{each}")["task"] for each in (ids[0], again)]
    assert [(each["status"], each["retry_of"], each["retried_as"]) for each in told] == [
        ("failed", None, again),
        ("queued", ids[0], None),
    ]
    copy = store.reader.get(again)
    assert copy.request == store.reader.get(ids[0]).request
    assert api.get(f"/tasks/{again}").status_code == 200, "the account's own, as any task is"
    refused = operator("POST", f"/tasks/{ids[0]}/retry", 409)["error"]
    assert (refused["code"], refused["details"]["retried_as"]) == ("CONFLICT", again)
    melody = store.reader.get(ids[1]).request.melody
    assert melody is not None
    open_storage(settings).delete(melody.key)
    refused = operator("POST", f"/tasks/{ids[1]}/retry", 409)["error"]
    assert refused["details"] == {"task_id": ids[1], "gone": ["melody"]}
    assert "submit it again with the recording" in refused["message"]
    operator("POST", "/tasks/unknown/retry", 404)
    assert audited() == [
        ("retry", "unknown", "refused"),
        ("retry", ids[1], "refused"),
        ("retry", ids[0], "refused"),
        ("retry", ids[0], "done"),
        ("retry", ids[0], "refused"),
    ]
    story = operator("GET", f"/tasks/{ids[0]}")["story"]
    (did,) = [each["detail"] for each in story if each["what"] == "retry" and "done" in each["detail"]]
    assert did == f"done, by at this machine, without keys: runs again as {again}"


def test_dead_letters_are_listed_run_again_and_dropped(
    operator: OperatorClient, jobs: list[Job], store: JobStore, client: redis.Redis, audited: Audited
) -> None:
    while (job := store.claim("tiny", "w1")) is not None:
        client.zadd("ostinato:leases", {job.id: 1})
        store.reap()
    letters = operator("GET", "/dead-letters")["dead_letters"]
    assert {letter["task"]["error_code"] for letter in letters} == {"WORKER_LOST"}
    assert {letter["task"]["task_id"] for letter in letters} == {job.id for job in jobs}
    again = operator("POST", f"/dead-letters/{jobs[0].id}/requeue")
    copy = store.reader.get(again["requeued_as"])
    assert (copy.seed, copy.account, copy.status) == (jobs[0].seed, "calm", "queued")
    assert operator("DELETE", f"/dead-letters/{jobs[1].id}") == {"task_id": jobs[1].id, "dropped": True}
    assert [letter["task"]["task_id"] for letter in operator("GET", "/dead-letters")["dead_letters"]] == [jobs[2].id]
    operator("POST", f"/dead-letters/{jobs[1].id}/requeue", 404)
    operator("DELETE", f"/dead-letters/{jobs[1].id}", 404)
    assert audited() == [
        ("drop", jobs[1].id, "refused"),
        ("requeue", jobs[1].id, "refused"),
        ("drop", jobs[1].id, "done"),
        ("requeue", jobs[0].id, "done"),
    ]
    assert operator("GET", "/audit")["entries"][-1]["detail"] == f"runs again as {copy.id}"


def test_what_is_shown_tells_no_more_than_it_must(operator: OperatorClient, api: FlaskClient, jobs: list[Job]) -> None:
    """No link to anybody's music is in an operator's answers: a key with the scope admin opens none."""
    for path in ("/tasks", f"/tasks/{jobs[0].id}"):
        text = str(operator("GET", path))
        assert "signature=" not in text
        assert "/audio" not in text
