"""Polls: what they cost Redis, counted, and that no status is ever told late, whoever changed it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from flask.testing import FlaskClient

from api.auth.keys import Allowance, Keys
from api.services import job_cache
from api.services.task_state import TaskState
from shared.broker.connection import connect
from shared.errors import GenerationFailed
from shared.jobs.job import Job, Stage
from shared.jobs.store import JobStore
from shared.settings import Settings

# each document's own poll of one task
POLLS = ("/tasks/{id}", "/api/v1/generate/{id}", "/v2/tiny/status/{id}")


@pytest.fixture
def task(api: FlaskClient) -> str:
    return str(api.post("/tasks", json={"prompt": "calm piano", "duration": 2}).get_json()["task_id"])


@pytest.fixture
def elsewhere(settings: Settings, client: redis.Redis) -> JobStore:
    """Another process: a worker, or an API beside this one."""
    return JobStore(connect(settings), settings)


def commands(client: redis.Redis) -> dict[str, int]:
    """How often each command has run so far, those of scripts among them."""
    return {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in client.info("commandstats").items()}


def spent(client: redis.Redis, before: dict[str, int]) -> dict[str, int]:
    """What has run since, but for the question itself."""
    after = commands(client)
    return {name: n - before.get(name, 0) for name, n in after.items() if n > before.get(name, 0) and name != "info"}


@pytest.mark.parametrize("path", POLLS)
def test_a_poll_of_a_task_that_stands_still_costs_one_plain_command(
    api: FlaskClient, client: redis.Redis, task: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_cache, "STATE_AGE_S", 3600.0)
    first = api.get(path.format(id=task)).get_json()
    before = commands(client)
    assert [api.get(path.format(id=task)).get_json() for _ in range(20)] == [first] * 20
    used = spent(client, before)
    assert used.pop("hgetall") == 20
    assert "evalsha" not in used or path.startswith("/v2/")  # no script


def test_a_position_is_at_most_half_a_second_old(
    api: FlaskClient, task: str, elsewhere: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = api.post("/tasks", json={"prompt": "loud drums", "duration": 2}).get_json()["task_id"]
    assert api.get(f"/tasks/{second}").get_json()["position"] == 1
    elsewhere.cancel(task)
    monkeypatch.setattr(job_cache, "STATE_AGE_S", 0.0)
    assert api.get(f"/tasks/{second}").get_json()["position"] == 0


@pytest.mark.parametrize("path", POLLS)
def test_whatever_another_process_does_shows_at_the_very_next_poll(
    api: FlaskClient,
    elsewhere: JobStore,
    finish: Callable[[Job, bytes], Job],
    task: str,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_cache, "STATE_AGE_S", 3600.0)

    def status() -> str:
        return str(api.get(path.format(id=task)).get_json()["status"])

    waiting = status()
    job = elsewhere.claim("tiny", "w1")
    assert job is not None
    running = status()
    elsewhere.fail(job, GenerationFailed("out of luck"))  # back in line
    assert status() == waiting
    again = elsewhere.claim("tiny", "w1")
    assert again is not None
    assert status() == running
    finish(again, b"audio")
    assert status().lower() == "completed"


def test_stage_and_progress_are_never_old(
    api: FlaskClient, elsewhere: JobStore, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_cache, "STATE_AGE_S", 3600.0)
    assert api.get(f"/tasks/{task}").get_json()["stage"] == "queued"
    job = elsewhere.claim("tiny", "w1")
    assert job is not None
    for step in (1, 2, 3):
        elsewhere.renew(job, Stage.RUNNING, step, 3)
        assert api.get(f"/tasks/{task}").get_json()["current"] == step
    elsewhere.renew(job, Stage.UPLOADING, 3, 3)
    assert api.get(f"/tasks/{task}").get_json()["stage"] == "uploading"


@pytest.mark.parametrize("path", POLLS)
def test_a_cancelled_task_is_cancelled_at_the_next_poll_and_stays_so(api: FlaskClient, task: str, path: str) -> None:
    api.get(path.format(id=task))
    assert api.delete(f"/tasks/{task}").status_code == 200
    assert [api.get(path.format(id=task)).get_json()["status"].lower() for _ in range(3)] == ["cancelled"] * 3


def test_a_task_that_came_back_into_the_line_has_its_place_at_once(
    api: FlaskClient, elsewhere: JobStore, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_cache, "STATE_AGE_S", 3600.0)
    job = elsewhere.claim("tiny", "w1")
    assert job is not None
    assert api.get(f"/tasks/{task}").get_json()["position"] is None
    elsewhere.requeue(job)
    assert api.get(f"/tasks/{task}").get_json()["position"] == 0


def test_what_is_gone_is_a_404_at_the_next_poll(api: FlaskClient, client: redis.Redis, task: str) -> None:
    assert api.get(f"/tasks/{task}").status_code == 200
    client.delete(f"ostinato:job:{task}")
    assert api.get(f"/tasks/{task}").status_code == 404


def test_the_cache_holds_only_so_many_jobs(store: JobStore, api: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_cache, "JOBS_AT_MOST", 3)
    cache = job_cache.JobCache(store.reader, lambda job, position: TaskState(job, position, 0.0))
    ids = [api.post("/tasks", json={"prompt": f"{n}"}).get_json()["task_id"] for n in range(5)]
    for job_id in (*ids, *ids):
        assert cache.get(job_id).job.id == job_id
    assert len(cache._polled) == 3


@pytest.mark.parametrize("links", [False, True], ids=["open", "with keys"])
def test_one_callers_links_are_never_told_to_another(
    open_api: Callable[[Settings], FlaskClient], make_settings: Callable[..., Settings], links: bool
) -> None:
    api = open_api(make_settings(api_keys=("one", "two") if links else ()))
    mine = {"X-API-Key": "one"} if links else {}
    task = api.post("/tasks", json={"prompt": "calm piano"}, headers=mine).get_json()["task_id"]
    urls = [api.get(f"/tasks/{task}", headers=mine).get_json()["events_url"] for _ in range(3)]
    below = api.get(f"/tasks/{task}", headers=mine, base_url="http://localhost/music").get_json()
    assert all(("?" in url) == links for url in urls)
    assert below["events_url"].startswith("/music/tasks/")
    if links:
        assert api.get(f"/tasks/{task}", headers={"X-API-Key": "two"}).status_code == 404


def test_two_keys_of_one_account_get_links_of_their_own(
    open_api: Callable[[Settings], FlaskClient], settings: Settings, client: redis.Redis
) -> None:
    """A link ends with its key: one that was rendered for another key would end with that."""
    keys = Keys(client)
    (one, first), (two, _) = (keys.create(name, Allowance(), "band") for name in ("one", "two"))
    api = open_api(settings)
    task = api.post("/tasks", json={"prompt": "calm piano"}, headers={"X-API-Key": one}).get_json()["task_id"]
    urls = [api.get(f"/tasks/{task}", headers={"X-API-Key": key}).get_json()["events_url"] for key in (one, two)]
    api.delete(f"/tasks/{task}", headers={"X-API-Key": one})
    keys.disable(first.id)
    assert [api.get(url).status_code for url in urls] == [401, 200]
