"""What a submission is promised over HTTP: idempotency keys, shared music, priorities and time limits, purging."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from flask.testing import FlaskClient

from shared.jobs.job import Job, Status
from shared.jobs.store import JobStore
from shared.settings import Settings
from tests.audio_fixtures import file_of, tone
from tests.stored import stored_files

FORM = "multipart/form-data"


def post(api: FlaskClient, key: str | None = None, **fields: object) -> tuple[int, dict[str, object], bool]:
    """(status, answer, whether it is a replay)"""
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = api.post("/tasks", json={"prompt": "calm piano"} | fields, headers=headers)
    return answer.status_code, answer.get_json(), answer.headers.get("Idempotency-Replayed") == "true"


def files_in(settings: Settings) -> list[str]:
    return sorted(name.rpartition("/")[2] for name in stored_files(settings.local_storage_path))


def claim(store: JobStore) -> Job:
    job = store.claim("tiny", "w1")
    assert job is not None
    return job


def test_a_repeated_submission_under_one_key_is_the_same_task_and_says_so(api: FlaskClient, store: JobStore) -> None:
    status, task, replayed = post(api, key="8e03978e-40d5")
    assert (status, replayed) == (202, False)
    status, again, replayed = post(api, key="8e03978e-40d5")
    assert (status, again["task_id"], replayed) == (202, task["task_id"], True)
    assert store.reader.waiting() == {"tiny": 1}


def test_a_key_with_another_body_is_a_422_that_names_the_remedy(api: FlaskClient) -> None:
    post(api, key="k")
    status, answer, _ = post(api, key="k", prompt="fast drums")
    assert status == 422
    assert answer["error"]["code"] == "IDEMPOTENCY_CONFLICT"
    assert "send a new key" in answer["error"]["message"]


def test_a_repeated_upload_leaves_one_melody(api: FlaskClient, settings: Settings) -> None:
    ids = set()
    for _ in range(2):
        form = {"prompt": "x", "melody": (io.BytesIO(file_of(tone(330, 1.0), 32_000)), "hum.wav")}
        answer = api.post("/tasks", data=form, content_type=FORM, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 202
        ids.add(answer.get_json()["task_id"])
    assert len(ids) == 1
    assert files_in(settings) == ["melody.flac"]


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "naïve"])
def test_a_key_that_cannot_be_one_is_refused_by_name(api: FlaskClient, key: str) -> None:
    status, answer, _ = post(api, key=key)
    assert status == 400
    assert answer["error"]["details"]["fields"][0]["field"] == "Idempotency-Key"


def test_an_equal_request_with_a_seed_is_answered_from_the_kept_result(
    api: FlaskClient, store: JobStore, finish: Callable[[Job, bytes], Job]
) -> None:
    _, first, _ = post(api, seed=5)
    finish(claim(store), b"music")
    status, again, _ = post(api, seed=5)
    assert (status, again["status"]) == (202, "completed")
    assert again["task_id"] != first["task_id"]
    assert api.get(str(again["audio_url"])).data == b"music"
    assert post(api, seed=5, cache=False)[1]["status"] == "processing"


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"mus")])
def test_a_kept_result_whose_audio_is_gone_or_not_whole_is_made_anew(
    api: FlaskClient,
    store: JobStore,
    settings: Settings,
    finish: Callable[[Job, bytes], Job],
    spoil: Callable[[Path], object],
) -> None:
    post(api, seed=5)
    result = finish(claim(store), b"music").result
    assert result is not None
    spoil(settings.local_storage_path / result.key)
    _, again, _ = post(api, seed=5)
    assert again["status"] == "processing"
    assert claim(store).id == again["task_id"]


def test_whose_kept_audio_is_gone_hears_nothing_of_an_end_before_it_has_ended(
    api: FlaskClient,
    client: redis.Redis,
    store: JobStore,
    settings: Settings,
    finish: Callable[[Job, bytes], Job],
) -> None:
    post(api, seed=5)
    result = finish(claim(store), b"music").result
    assert result is not None
    (settings.local_storage_path / result.key).unlink()
    post(api, seed=5, webhook_url="https://example.com/hooks")
    assert client.zcard("ostinato:webhooks:due") == 0


def test_with_the_cache_off_every_request_is_made_anew(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], store: JobStore
) -> None:
    api, sent = open_api(make_settings(result_cache=False)), {"prompt": "calm piano", "seed": 7}
    for _ in range(2):
        api.post("/tasks", json=sent)
    api.post("/tasks/batch", json={"requests": [sent]})
    twins = {name: {"prompt": "x", "seed": 7} for name in ("drums", "percussion")}
    api.post("/tasks/multi-instrument", json={"instruments": twins, "seed": 7})
    assert store.reader.waiting() == {"tiny": 5}


def test_a_follower_is_told_what_its_leader_is_told(api: FlaskClient, store: JobStore) -> None:
    post(api, seed=5)
    _, follower, _ = post(api, seed=5)
    assert follower["position"] == 0
    job = claim(store)
    store.renew(job, job.stage, 50, 200)
    seen = api.get(str(follower["status_url"])).get_json()
    assert (seen["stage"], seen["current"], seen["attempts"]) == ("running", 50, 1)


def test_purging_leaves_nothing_of_a_task_and_spares_what_others_share(
    api: FlaskClient, store: JobStore, settings: Settings, finish: Callable[[Job, bytes], Job]
) -> None:
    form = {"prompt": "x", "seed": "5", "melody": (io.BytesIO(file_of(tone(330, 1.0), 32_000)), "hum.wav")}
    first = api.post("/tasks", data=form, content_type=FORM).get_json()
    form["melody"] = (io.BytesIO(file_of(tone(330, 1.0), 32_000)), "hum.wav")
    second = api.post("/tasks", data=form, content_type=FORM).get_json()
    finish(claim(store), b"music")
    assert len(files_in(settings)) == 3
    assert api.delete(f"{first['status_url']}?purge=1").get_json() == {"task_id": first["task_id"], "purged": True}
    assert api.get(first["status_url"]).status_code == 404
    assert api.get(f"{second['status_url']}/audio").data == b"music"
    api.delete(f"{second['status_url']}?purge=1")
    assert files_in(settings) == []
    assert api.delete(f"{second['status_url']}?purge=1").status_code == 404


@pytest.mark.parametrize("running", [False, True])
def test_purging_a_task_that_has_not_ended_cancels_it_first(
    api: FlaskClient, store: JobStore, client: redis.Redis, running: bool
) -> None:
    _, task, _ = post(api)
    if running:
        claim(store)
    assert api.delete(f"{task['status_url']}?purge=1").status_code == 200
    assert store.claim("tiny", "w1") is None
    assert client.zcard("ostinato:leases") == 0


def test_priority_decides_who_is_next_and_bad_limits_are_refused_together(api: FlaskClient) -> None:
    _, normal, _ = post(api)
    _, high, _ = post(api, priority="HIGH", timeout_s=60, ttl_s=600)
    assert high["position"] == 0
    assert api.get(str(normal["status_url"])).get_json()["position"] == 1
    status, answer, _ = post(api, priority="urgent", timeout_s=0, ttl_s="soon", cache="perhaps")
    assert status == 400
    fields = {error["field"] for error in answer["error"]["details"]["fields"]}
    assert fields == {"priority", "timeout_s", "ttl_s", "cache"}


def test_what_is_left_of_a_running_piece_is_told_by_the_last_jobs_at_first_and_by_its_own_steps_later(
    new_pace: Callable[[], None],
    api: FlaskClient,
    store: JobStore,
    client: redis.Redis,
    finish: Callable[[Job, bytes], Job],
) -> None:
    def ran_for(job: Job, seconds: int) -> Job:
        client.hincrby(f"ostinato:job:{job.id}", "started_ms", -1000 * seconds)
        return job

    def told(job: Job, step: int) -> float:
        store.renew(job, job.stage, step, 200)
        return float(api.get(f"/tasks/{job.id}").get_json()["eta_s"])

    post(api, duration=8)
    finish(ran_for(claim(store), 16), b"x")
    new_pace()
    post(api, duration=8)
    running = ran_for(claim(store), 4)  # as usual: 12 s more
    assert told(running, 2) == pytest.approx(0.99 * 12 + 0.01 * 396, abs=0.5)
    assert told(running, 100) == pytest.approx((12 + 4) / 2, abs=0.5)
    ran_for(running, 36)  # far longer than usual
    assert told(running, 100) == pytest.approx(40, abs=1)


def test_the_waiting_time_and_retry_after_follow_the_pace_of_the_last_jobs(
    new_pace: Callable[[], None],
    open_api: Callable[..., FlaskClient],
    make_settings: Callable[..., Settings],
    store: JobStore,
    client: redis.Redis,
    finish: Callable[[Job, bytes], Job],
) -> None:
    api = open_api(make_settings(max_queue_length=3))
    post(api, duration=8)
    job = claim(store)
    client.hincrby(f"ostinato:job:{job.id}", "started_ms", -16_000)
    finish(job, b"x")  # 8 s of music in 16 s, on the only worker's one slot
    new_pace()
    tasks = [post(api, duration=8)[1] for _ in range(3)]
    assert [round(float(task["eta_s"]), -1) for task in tasks] == [20, 30, 50]
    running = claim(store)
    client.hincrby(f"ostinato:job:{running.id}", "started_ms", -4_000)
    store.renew(running, running.stage, 50, 200)
    new_pace()
    post(api, duration=8)
    answer = api.post("/tasks", json={"prompt": "x"})
    assert answer.status_code == 429
    assert math.isclose(int(answer.headers["Retry-After"]), 12, abs_tol=2)
    assert store.reader.get(running.id).status is Status.RUNNING
