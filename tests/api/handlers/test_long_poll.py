"""`GET /tasks/<id>?wait=`: told when the task changes, bounded in time, in number and in what it costs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.auth.keys import Allowance, Keys
from api.handlers import long_poll
from shared.broker.connection import connect
from shared.errors import BlobMissing
from shared.jobs.job import Job, Stage
from shared.jobs.store import JobStore
from shared.settings import Settings

PATIENCE_S = 15.0  # a wait that is answered in time ends long before it asked to
LONG = "wait=25"


@pytest.fixture
def app(settings: Settings, client: redis.Redis) -> Flask:
    return create_app(settings.model_copy(update={"served_models": ("tiny",)}))


@pytest.fixture
def api(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def elsewhere(settings: Settings, client: redis.Redis) -> JobStore:
    return JobStore(connect(settings), settings)


@pytest.fixture
def task(api: FlaskClient) -> str:
    return str(api.post("/tasks", json={"prompt": "calm piano", "duration": 2}).get_json()["task_id"])


class Held(threading.Thread):
    """A poll that waits."""

    def __init__(self, app: Flask, task: str, query: str = LONG, key: str = "") -> None:
        super().__init__(daemon=True)
        self._api, self._path = app.test_client(), f"/tasks/{task}?{query}"
        self._headers = {"X-API-Key": key} if key else {}
        self.response: TestResponse | None = None
        self.start()

    def run(self) -> None:
        self.response = self._api.get(self._path, headers=self._headers)

    def answer(self) -> TestResponse:
        self.join(PATIENCE_S)
        assert self.response is not None, "it still waits"
        return self.response


def boxes(app: Flask) -> int:
    return len(app.extensions["services"].event_hub._subscriptions)


@contextmanager
def holding(app: Flask, task: str, query: str = LONG, key: str = "") -> Iterator[Held]:
    """While the poll is held; the answer must come before it is left."""
    before, held = boxes(app), Held(app, task, query, key)
    give_up_at = time.monotonic() + PATIENCE_S
    while boxes(app) <= before and held.is_alive():
        assert time.monotonic() < give_up_at
        time.sleep(0.005)
    assert held.is_alive(), held.response and held.response.get_data(as_text=True)
    yield held


def test_it_is_answered_as_soon_as_the_task_starts_and_as_soon_as_it_ends(
    app: Flask, elsewhere: JobStore, finish: Callable[[Job, bytes], Job], task: str
) -> None:
    with holding(app, task) as held:
        job = elsewhere.claim("tiny", "w1")
        assert job is not None
        started = held.answer()
    assert started.get_json()["stage"] == "running"
    with holding(app, task) as held:
        finish(job, b"audio")
        ended = held.answer()
    assert ended.get_json()["status"] == "completed"
    assert ended.headers["Preference-Applied"] == "wait=25"
    assert ended.headers["Cache-Control"] == "no-store"


def test_progress_and_position_are_no_change_and_another_stage_is(app: Flask, elsewhere: JobStore, task: str) -> None:
    job = elsewhere.claim("tiny", "w1")
    assert job is not None
    with holding(app, task) as held:
        for step in (1, 2, 3):
            elsewhere.renew(job, Stage.RUNNING, step, 3)
        held.join(0.6)
        assert held.is_alive()
        elsewhere.renew(job, Stage.UPLOADING, 3, 3)
        assert held.answer().get_json()["stage"] == "uploading"


@pytest.mark.parametrize("end", ["cancelled", "failed", "given back"])
def test_every_other_turn_of_a_task_is_a_change(app: Flask, elsewhere: JobStore, task: str, end: str) -> None:
    job = elsewhere.claim("tiny", "w1")
    assert job is not None
    with holding(app, task) as held:
        if end == "cancelled":
            elsewhere.cancel(task)
        elif end == "given back":
            elsewhere.requeue(job)
        else:
            elsewhere.fail(job, BlobMissing("no"))
        assert held.answer().get_json()["stage"] == {"given back": "queued"}.get(end, end)


def test_one_that_has_ended_is_answered_at_once(
    api: FlaskClient, elsewhere: JobStore, finish: Callable[[Job, bytes], Job], task: str
) -> None:
    job = elsewhere.claim("tiny", "w1")
    assert job is not None
    finish(job, b"audio")
    since = time.monotonic()
    assert api.get(f"/tasks/{task}?{LONG}").get_json()["status"] == "completed"
    assert time.monotonic() - since < PATIENCE_S


def test_since_names_the_stage_that_is_known_so_that_no_change_between_two_polls_is_missed(
    app: Flask, api: FlaskClient, elsewhere: JobStore, task: str
) -> None:
    known = api.get(f"/tasks/{task}").get_json()["stage"]
    elsewhere.claim("tiny", "w1")  # between the client's two polls
    assert Held(app, task, f"{LONG}&since={known}").answer().get_json()["stage"] == "running"


def test_a_wait_ends_with_the_task_as_it_is_and_a_loop_of_waits_does_not_spin(api: FlaskClient, task: str) -> None:
    since, answers = time.monotonic(), 0
    while time.monotonic() - since < 2.0:
        assert api.get(f"/tasks/{task}?wait=1&since=queued").get_json()["stage"] == "queued"
        answers += 1
    assert answers <= 3


def test_one_that_is_removed_while_it_is_waited_for_has_ended(app: Flask, api: FlaskClient, task: str) -> None:
    with holding(app, task) as held:
        assert api.delete(f"/tasks/{task}?purge=1").status_code == 200
        # a purge cancels first: it depends on the moment which of the two is seen
        assert held.answer().get_json()["status"] in ("cancelled", "failed")


def test_a_record_that_vanishes_without_a_word_is_noticed(app: Flask, client: redis.Redis, task: str) -> None:
    with holding(app, task) as held:
        client.delete(f"ostinato:job:{task}", f"ostinato:events:{task}")
        assert held.answer().status_code == 404


@pytest.mark.parametrize("value", ["-1", "31", "2.5", "soon", "", "1e1", "9" * 400, "٣"])
def test_a_bad_wait_is_a_field_error_that_says_what_to_send(api: FlaskClient, task: str, value: str) -> None:
    answer = api.get(f"/tasks/{task}", query_string={"wait": value})
    assert answer.status_code == 400
    (fault,) = answer.get_json()["error_details"]["fields"]
    assert (fault["field"], fault["message"]) == ("wait", "send a whole number from 0 to 30")


def test_a_bad_since_is_a_field_error_that_names_the_stages(api: FlaskClient, task: str) -> None:
    answer = api.get(f"/tasks/{task}?{LONG}&since=soon")
    assert answer.status_code == 400
    assert "queued" in str(answer.get_json())


def test_every_poll_tells_that_waiting_is_possible_and_a_held_one_for_how_long(api: FlaskClient, task: str) -> None:
    plain, waited = api.get(f"/tasks/{task}"), api.get(f"/tasks/{task}?wait=1")
    assert plain.headers["Accept-Wait"] == waited.headers["Accept-Wait"] == "30"
    assert "Preference-Applied" not in plain.headers
    assert waited.headers["Preference-Applied"] == "wait=1"


def test_a_server_that_answers_one_request_at_a_time_holds_none_and_says_so(api: FlaskClient, task: str) -> None:
    """gunicorn's sync worker: a held request would keep out all others."""
    answer = api.get(
        f"/tasks/{task}?{LONG}",
        environ_overrides={"SERVER_SOFTWARE": "gunicorn/27.0.1", "wsgi.multithread": False},
    )
    assert answer.get_json()["stage"] == "queued"
    assert not {"Accept-Wait", "Preference-Applied"} & set(answer.headers.keys())


def test_an_account_has_only_so_many_polls_held_and_the_others_are_answered_at_once(
    make_settings: Callable[..., Settings], client: redis.Redis, elsewhere: JobStore
) -> None:
    app = create_app(make_settings(served_models=("tiny",), max_waiting_polls=1))
    task = app.test_client().post("/tasks", json={"prompt": "calm piano"}).get_json()["task_id"]
    with holding(app, task) as held:
        second = Held(app, task).answer()
        assert second.get_json()["stage"] == "queued"
        assert "Preference-Applied" not in second.headers
        assert second.headers["Accept-Wait"] == "30"
        elsewhere.cancel(task)
        assert held.answer().get_json()["status"] == "cancelled"
    assert boxes(app) == 0


def test_all_accounts_together_leave_connections_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_poll, "MOST_WAITING", 3)
    held = long_poll.WaitingPolls(2)
    with ExitStack() as stack:
        found = [stack.enter_context(held.one_more(account)) for account in "aaabc"]
        assert found == [True, True, False, True, False]
    with held.one_more("a") as again:
        assert again
    assert not held._counts


def test_a_key_that_is_disabled_meanwhile_learns_nothing_more(
    settings: Settings, client: redis.Redis, elsewhere: JobStore
) -> None:
    key, record = Keys(client).create("somebody", Allowance())
    app = create_app(settings.model_copy(update={"served_models": ("tiny",)}))
    made = app.test_client().post("/tasks", json={"prompt": "calm piano"}, headers={"X-API-Key": key})
    with holding(app, made.get_json()["task_id"], key=key) as held:
        Keys(client).disable(record.id)
        elsewhere.claim("tiny", "w1")
        assert held.answer().status_code == 401


def test_a_wait_ends_with_its_key_though_nothing_happens_to_its_task(settings: Settings, client: redis.Redis) -> None:
    key, record = Keys(client).create("somebody", Allowance())
    app = create_app(settings.model_copy(update={"served_models": ("tiny",), "key_check_s": 0.1}))
    made = app.test_client().post("/tasks", json={"prompt": "calm piano"}, headers={"X-API-Key": key})
    with holding(app, made.get_json()["task_id"], key=key) as held:
        Keys(client).disable(record.id)
        assert held.answer().status_code == 401


def test_many_who_wait_for_many_tasks_share_one_reader(
    app: Flask, api: FlaskClient, client: redis.Redis, elsewhere: JobStore
) -> None:
    """Counted in commands: twenty that wait cost Redis what one costs, but for their own two questions."""
    tasks = [api.post("/tasks", json={"prompt": f"take {n}"}).get_json()["task_id"] for n in range(20)]

    def commands() -> dict[str, int]:
        return {name: stat["calls"] for name, stat in client.info("commandstats").items()}

    held = [Held(app, task) for task in tasks]
    while boxes(app) < len(tasks):
        time.sleep(0.01)
    before, since = commands(), time.monotonic()
    time.sleep(1.0)
    after, passed_s = commands(), time.monotonic() - since
    reads = after["cmdstat_xread"] - before["cmdstat_xread"]
    assert reads <= 2 + passed_s / 0.25
    assert after.get("cmdstat_evalsha", 0) - before.get("cmdstat_evalsha", 0) <= 1  # the pace, for polls
    assert after["cmdstat_hgetall"] == before["cmdstat_hgetall"]
    for task in tasks:
        elsewhere.cancel(task)
    assert [each.answer().get_json()["status"] for each in held] == ["cancelled"] * len(tasks)
