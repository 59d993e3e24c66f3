from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import redis
from flask.testing import FlaskClient

from shared.errors import GenerationFailed
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.audio_fixtures import file_of, tone
from tests.stored import stored_files

FORM = "multipart/form-data"


def submit(api: FlaskClient, **fields: object) -> dict[str, object]:
    answer = api.post("/tasks", json={"prompt": "calm piano"} | fields)
    assert answer.status_code == 202, answer.text
    return answer.get_json()


def test_submitting_answers_at_once_with_where_to_poll(api: FlaskClient, client: redis.Redis) -> None:
    answer = api.post("/tasks", json={"prompt": "calm piano", "duration": 4, "seed": 9, "client_id": "mine"})
    task = answer.get_json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == task["status_url"] == f"/tasks/{task['task_id']}"
    assert (task["status"], task["stage"], task["position"], task["progress"]) == ("processing", "queued", 0, 0.0)
    assert (task["seed"], task["client_id"], task["model"]) == (9, "mine", "tiny")
    assert client.llen("ostinato.tiny") == 1


def test_polling_tells_position_stage_steps_and_times(api: FlaskClient, store: JobStore) -> None:
    first, second = submit(api), submit(api)
    job = store.claim("tiny", "w1")
    assert job is not None
    store.renew(job, job.stage, 50, 200)
    running = api.get(str(first["status_url"])).get_json()
    assert (running["status"], running["stage"], running["current"], running["total"]) == (
        "processing",
        "running",
        50,
        200,
    )
    assert running["progress"] == 24.8
    assert running["eta_s"] >= 0
    assert running["position"] is None
    assert api.get(str(second["status_url"])).get_json()["position"] == 0


def test_a_completed_task_names_its_audio_and_serves_it_whole_and_by_range(
    api: FlaskClient, store: JobStore, finish: Callable[[Job, bytes], Job]
) -> None:
    task = submit(api, seed=5)
    audio = file_of(tone(440, 2.0), 32_000)
    job = store.claim("tiny", "w1")
    assert job is not None
    store.renew(job, job.stage, 98, 100)
    finish(job, audio)
    done = api.get(str(task["status_url"])).get_json()
    assert (done["current"], done["total"]) == (100, 100)
    assert (done["status"], done["progress"], done["bytes"], done["seed"]) == ("completed", 100.0, len(audio), 5)
    assert (done["duration"], done["sample_rate"], done["channels"]) == (2.0, 32000, 1)
    assert done["result"]["filename"] == f"{task['task_id']}.wav"
    assert done["fingerprint"] == {"checkpoint": "digest", "engine": "engine-1", "precision": "fp32", "device": "cpu"}
    served = api.get(done["audio_url"])
    assert served.data == audio
    assert served.headers["Content-Type"] == "audio/wav"
    part = api.get(done["audio_url"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.data) == (206, audio[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(audio)}"
    assert api.get(done["audio_url"], headers={"Range": f"bytes={len(audio)}-"}).status_code == 416
    assert api.get(done["audio_url"], headers={"If-None-Match": served.headers["ETag"]}).status_code == 304


def test_audio_of_a_task_that_has_not_ended_is_a_conflict_with_a_remedy(api: FlaskClient) -> None:
    task = submit(api)
    answer = api.get(f"/tasks/{task['task_id']}/audio")
    assert answer.status_code == 409
    assert "poll" in answer.get_json()["error"]["message"]


def test_audio_that_is_no_longer_stored_is_not_found(
    api: FlaskClient, store: JobStore, settings: Settings, finish: Callable[[Job, bytes], Job]
) -> None:
    task = submit(api)
    job = store.claim("tiny", "w1")
    assert job is not None
    result = finish(job, b"x").result
    assert result is not None
    (settings.local_storage_path / result.key).unlink()
    assert api.get(f"/tasks/{task['task_id']}/audio").status_code == 404


def test_a_failed_task_says_why_as_text_with_a_code(api: FlaskClient, store: JobStore) -> None:
    task = submit(api)
    job = store.claim("tiny", "w1")
    assert job is not None
    error = GenerationFailed("the weights are broken")
    error.retryable = False
    store.fail(job, error)
    failed = api.get(str(task["status_url"])).get_json()
    assert (failed["status"], failed["error"], failed["error_code"]) == (
        "failed",
        "the weights are broken",
        "GENERATION_FAILED",
    )


def test_deleting_cancels_twice_is_fine_and_a_completed_task_is_a_conflict(
    api: FlaskClient, store: JobStore, finish: Callable[[Job, bytes], Job]
) -> None:
    task = submit(api)
    for _ in range(2):
        answer = api.delete(str(task["status_url"]))
        assert (answer.status_code, answer.get_json()["status"]) == (200, "cancelled")
    other = submit(api)
    job = store.claim("tiny", "w1")
    assert job is not None
    finish(job, b"x")
    assert api.delete(str(other["status_url"])).status_code == 409


def test_an_unknown_task_is_not_found_and_reads_failed(api: FlaskClient) -> None:
    answer = api.get("/tasks/no-such-task")
    assert answer.status_code == 404
    assert answer.get_json() == {
        "status": "failed",
        "error": "no task 'no-such-task'; it never existed or its retention time is over",
        "error_code": "NOT_FOUND",
        "error_details": {},
    }
    assert api.delete("/tasks/no-such-task").status_code == 404
    assert api.get("/tasks/no-such-task/audio").status_code == 404


def test_the_list_is_newest_first_and_paged(api: FlaskClient) -> None:
    ids = [submit(api)["task_id"] for _ in range(3)]
    page = api.get("/tasks?limit=2&offset=1").get_json()
    assert [task["task_id"] for task in page["tasks"]] == [ids[1], ids[0]]
    assert page["total"] == 3
    assert api.get("/tasks?limit=0").status_code == 400
    assert api.get("/tasks?offset=x").get_json()["error"]["details"]["fields"][0]["field"] == "offset"


def test_a_melody_is_stored_as_canonical_audio_and_its_key_travels(
    api: FlaskClient, store: JobStore, settings: Settings
) -> None:
    form = {"prompt": "", "duration": "2", "melody": (io.BytesIO(file_of(tone(330, 1.0), 32_000)), "hum.wav")}
    answer = api.post("/tasks", data=form, content_type=FORM)
    assert answer.status_code == 202, answer.text
    melody = store.reader.get(answer.get_json()["task_id"]).request.melody
    assert melody is not None
    assert abs(melody.seconds - 1.0) < 0.01
    assert answer.get_json()["melody_seconds"] == 1.0
    assert (settings.local_storage_path / melody.key).read_bytes()[:4] == b"fLaC"


def test_a_refused_request_leaves_no_melody_behind(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], settings: Settings
) -> None:
    api = open_api(make_settings(max_queue_length=1))
    submit(api)
    form = {"prompt": "x", "melody": (io.BytesIO(file_of(tone(330, 1.0), 32_000)), "hum.wav")}
    answer = api.post("/tasks", data=form, content_type=FORM)
    assert answer.status_code == 429
    assert stored_files(settings.local_storage_path) == []


def test_a_full_queue_is_a_429_with_its_length_and_retry_after(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    api = open_api(make_settings(max_queue_length=2))
    submit(api), submit(api)
    answer = api.post("/tasks", json={"prompt": "x"})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.get_json()["error"]["details"]["queue_length"] == 2


def test_a_known_model_without_a_worker_is_a_503_that_lists_what_is_served(api: FlaskClient) -> None:
    answer = api.post("/tasks", json={"prompt": "x", "model": "large"})
    assert answer.status_code == 503
    assert answer.get_json()["error"]["details"] == {"model": "large", "served": ["tiny"]}


def test_a_model_that_the_operator_promises_is_queued_before_its_worker_lives(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    api = open_api(make_settings(served_models=("large",)))
    assert submit(api, model="large")["model"] == "large"


def test_an_alias_is_followed_and_the_answer_names_the_model_that_sings(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    api = open_api(make_settings(model_aliases={"medium": "tiny"}))
    assert submit(api, model="facebook/musicgen-medium")["model"] == "tiny"


def test_a_revision_that_no_worker_holds_is_not_served(api: FlaskClient) -> None:
    assert api.post("/tasks", json={"prompt": "x", "model": "tiny@abc"}).status_code == 503


def test_a_worker_that_has_just_come_up_is_seen_at_once(
    api: FlaskClient, client: redis.Redis, settings: Settings
) -> None:
    assert api.post("/tasks", json={"prompt": "x", "model": "large"}).status_code == 503
    WorkerRegistry(client, settings).announce(replace(TINY, worker="w2", model="large"))
    WorkerRegistry(client, settings).announce(replace(TINY, worker="w3", model="folk-finetune"))
    assert submit(api, model="large")["model"] == "large"
    assert submit(api, model="folk-finetune")["model"] == "folk-finetune"
