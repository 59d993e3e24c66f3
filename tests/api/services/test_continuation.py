"""POST /tasks with `continue_from`: what is taken over, what is kept, what is refused."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.app import create_app
from api.uploads.upload_store import Blobs
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.storage import Storage
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.api.routes.test_batches import fields_of
from tests.audio_fixtures import file_of, tone
from tests.shared.steps import claim

FORM = "multipart/form-data"
Finish = Callable[[Job, bytes], Job]


def submit(api: FlaskClient, **fields: Any) -> dict[str, Any]:
    answer = api.post("/tasks", json=fields)
    assert answer.status_code == 202, answer.text
    return answer.get_json()


def test_going_on_from_a_task_takes_over_its_prompt_and_model_and_names_its_audio(
    api: FlaskClient, store: JobStore, storage: Storage, earlier: Callable[..., str]
) -> None:
    first = earlier()
    task = submit(api, continue_from=first, duration=6)
    assert (task["prompt"], task["model"]) == ("slow harp", "tiny")
    assert (task["continue_from"], task["continued_seconds"]) == (first, 2.0)
    beginning = store.reader.get(task["task_id"]).request.continue_from
    assert beginning is not None
    assert (beginning.key, beginning.codes) == (f"ostinato/results/{first}/1.wav", None)
    storage.put(f"ostinato/results/{first}/1.codes", b"x", "application/octet-stream")
    own = submit(api, continue_from=first, duration=6, prompt="fast drums", continue_seconds=1.5)
    assert (own["prompt"], own["continued_seconds"]) == ("fast drums", 1.5)
    beginning = store.reader.get(own["task_id"]).request.continue_from
    assert beginning is not None
    assert (beginning.codes, beginning.checkpoint) == (f"ostinato/results/{first}/1.codes", "digest")
    assert submit(api, continue_from=first, prompt="", duration=6)["prompt"] == ""
    assert submit(api, continue_from=first, duration=6, continue_seconds=30)["continued_seconds"] == 2.0


def test_a_task_is_cut_where_it_is_asked_for_and_the_last_seconds_are_counted_back_from_there(
    api: FlaskClient, store: JobStore, earlier: Callable[..., str]
) -> None:
    first, waits = earlier(), submit(api, prompt="slow harp", duration=2)["task_id"]
    for task_id in (first, waits):
        task = submit(api, continue_from=task_id, duration=6, continue_at=1.5)
        assert (task["continue_at"], task["continued_seconds"]) == (1.5, 1.5)
        job = store.reader.get(task["task_id"])
        assert (job.request.continue_at, job.request.made_s, job.schema) == (1.5, 4.5, 5)
        both = submit(api, continue_from=task_id, duration=6, continue_at=1.5, continue_seconds=0.5)
        assert both["continued_seconds"] == 0.5
        assert submit(api, continue_from=task_id, duration=6, continue_at=2)["continued_seconds"] == 2.0
    answer = api.post("/tasks", data={"continue_from": first, "duration": "6", "continue_at": "1.5"})
    assert answer.get_json()["continued_seconds"] == 1.5
    batch = {"requests": [{"continue_from": first, "continue_at": 1}, {"continue_from": first, "continue_at": 3}]}
    assert fields_of(api.post("/tasks/batch", json=batch).get_json()) == ["requests[1].continue_at"]


def test_the_completed_answer_says_how_much_of_it_is_the_beginning(
    api: FlaskClient, store: JobStore, finish: Finish, earlier: Callable[..., str]
) -> None:
    first = earlier()
    submit(api, continue_from=first, duration=6)
    job = claim(store)
    finish(job, file_of(tone(440, 6.0), 32_000))
    result = api.get(f"/tasks/{job.id}").get_json()["result"]
    assert (result["continue_from"], result["continued_seconds"]) == (first, 2.0)


def test_its_audio_stays_until_the_new_task_needs_it_no_more(
    api: FlaskClient, storage: Storage, earlier: Callable[..., str]
) -> None:
    first = earlier()
    storage.put(f"ostinato/results/{first}/1.codes", b"x", "application/octet-stream")
    task = submit(api, continue_from=first, duration=6)
    assert api.delete(f"/tasks/{first}?purge=1").status_code == 200
    kept = [f"ostinato/results/{first}/1.wav", f"ostinato/results/{first}/1.codes"]
    assert [storage.exists(key) for key in kept] == [True, True]
    answer = api.post("/tasks", json={"continue_from": first, "duration": 6, "prompt": "x"})
    assert fields_of(answer.get_json()) == ["continue_from"]
    assert "was removed" in answer.get_json()["error"]["message"]
    assert api.delete(f"/tasks/{task['task_id']}?purge=1").status_code == 200
    assert [storage.exists(key) for key in kept] == [False, False]


def test_a_task_that_is_still_made_is_waited_for(
    api: FlaskClient, store: JobStore, storage: Storage, finish: Finish
) -> None:
    first = submit(api, prompt="slow harp", duration=2)["task_id"]
    key = {"headers": {"Idempotency-Key": "k"}}
    asked = {"continue_from": first, "duration": 6, "seed": 7}
    second = api.post("/tasks", json=asked, **key).get_json()
    assert (second["stage"], second["continued_seconds"]) == ("waiting_for_tasks", 2.0)
    both = submit(api, continue_from=second["task_id"], duration=9, variations=2)["tasks"]
    assert [task["stage"] for task in both] == ["waiting_for_tasks"] * 2
    job = claim(store)
    assert job.id == first
    finish(job, file_of(tone(440, 2.0), 32_000))
    again = api.post("/tasks", json=asked, **key)
    assert (again.get_json()["task_id"], again.headers["Idempotency-Replayed"]) == (second["task_id"], "true")
    assert api.delete(f"/tasks/{first}?purge=1").status_code == 200
    assert storage.exists(f"ostinato/results/{first}/1.wav"), "the second one needs it"
    job = claim(store)
    assert job.id == second["task_id"]
    assert store.claim("tiny", "w2") is None
    api.delete(f"/tasks/{job.id}")
    assert [api.get(task["status_url"]).get_json()["error_code"] for task in both] == ["PREDECESSOR_FAILED"] * 2


@pytest.mark.parametrize("change", [{}, {"variations": 2}], ids=["single", "variations"])
def test_a_replay_is_the_first_answer_also_when_the_earlier_task_is_gone_or_has_failed(
    api: FlaskClient, earlier: Callable[..., str], change: dict[str, Any]
) -> None:
    gone, waits = earlier(), submit(api, prompt="fast drums", duration=2)["task_id"]
    for number, first in enumerate((gone, waits)):
        asked, key = {"continue_from": first, "duration": 6} | change, {"Idempotency-Key": f"k{number}"}
        told = api.post("/tasks", json=asked, headers=key).get_json()
        api.delete(f"/tasks/{first}" + ("?purge=1" if first == gone else ""))
        again = api.post("/tasks", json=asked, headers=key)
        assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true"), again.text
        assert again.get_json()["status_url"] == told["status_url"]
        assert api.post("/tasks", json=asked | {"duration": 7}, headers=key).status_code == 422
        other = asked | {"continue_from": "no-such"}
        assert fields_of(api.post("/tasks", json=other, headers=key).get_json()) == ["continue_from"]
        assert fields_of(api.post("/tasks", json=asked).get_json()) == ["continue_from"], "under no key"


def test_a_batch_sent_again_is_the_same_one_also_when_what_it_went_on_from_is_gone(
    api: FlaskClient, earlier: Callable[..., str]
) -> None:
    first, key = earlier(), {"Idempotency-Key": "k"}
    body = {"requests": [{"prompt": "x"}, {"continue_from": first, "duration": 6}]}
    told = api.post("/tasks/batch", json=body, headers=key).get_json()
    api.delete(f"/tasks/{first}?purge=1")
    again = api.post("/tasks/batch", json=body, headers=key)
    assert (again.status_code, again.get_json()["batch_id"]) == (202, told["batch_id"]), again.text
    body["requests"].append({"continue_from": first, "duration": 6})
    assert fields_of(api.post("/tasks/batch", json=body, headers=key).get_json()) == ["requests[2].continue_from"]


def test_a_copy_of_what_waited_keeps_the_audio_too_or_says_what_is_missing(
    api: FlaskClient, store: JobStore, storage: Storage, finish: Finish
) -> None:
    first = submit(api, prompt="slow harp", duration=2)["task_id"]
    second = submit(api, continue_from=first, duration=6)["task_id"]
    job = claim(store)
    finish(job, file_of(tone(440, 2.0), 32_000))
    api.delete(f"/tasks/{second}")
    again = api.post(f"/v2/tiny/retry/{second}")
    assert again.status_code == 200, again.text
    for task_id in (first, second):
        assert api.delete(f"/tasks/{task_id}?purge=1").status_code == 200
    assert storage.exists(f"ostinato/results/{first}/1.wav"), "the copy needs it"
    assert store.reader.snapshot(again.get_json()["id"]).position == 0
    api.delete(f"/tasks/{again.get_json()['id']}")
    late = api.post(f"/v2/tiny/retry/{again.get_json()['id']}")
    assert first in late.text, "it is gone, and a copy would fail for want of it"


def test_what_is_refused_because_its_beginning_has_just_failed_leaves_no_upload(
    open_api: Callable[..., FlaskClient],
    make_settings: Callable[..., Settings],
    store: JobStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = make_settings(served_models=("tiny", "melody"))
    api = open_api(settings)

    def keep(blobs: Blobs, uploads: Mapping[str, bytes]) -> None:
        kept(blobs, uploads)
        store.cancel(first)

    kept = Blobs.keep_uploads
    for change in ({}, {"variations": "2"}):
        first = submit(api, prompt="slow harp", duration=2)["task_id"]
        monkeypatch.setattr(Blobs, "keep_uploads", keep)
        data = {"melody": (io.BytesIO(file_of(tone(), 32_000)), "a.wav"), "continue_from": first, **change}
        answer = api.post("/tasks", data=data | {"model": "melody"}, content_type=FORM)
        monkeypatch.setattr(Blobs, "keep_uploads", kept)
        assert answer.status_code == 409, answer.text
        assert not list((settings.local_storage_path / "ostinato" / "uploads").rglob("*.flac"))


@pytest.mark.parametrize(
    ("fields", "blamed", "words"),
    [
        ({"continue_from": "no-such"}, ["continue_from"], "no such task"),
        ({"continue_from": {"key": "results/x/1.wav", "seconds": 1, "sha256": "0"}}, ["continue_from"], "as text"),
        ({"continue_from": 7}, ["continue_from"], "as text"),
        ({"continue_from": " "}, ["continue_from"], "as text"),
        ({"continue_from": "no-such", "top_k": -1}, ["continue_from", "top_k"], "no such task"),
        ({"continue_seconds": 4, "prompt": "x"}, ["continue_seconds"], "send that too, or leave this out"),
        ({"continue_at": 4, "prompt": "x"}, ["continue_at"], "send that too, or leave this out"),
        ({"continue_from": "no-such", "continue_at": 1}, ["continue_from"], "no such task"),
        ({"continue_audio": "AAAA", "prompt": "x"}, ["continue_audio"], "is no data: URI; send data:"),
    ],
)
def test_what_cannot_be_gone_on_from_is_refused_by_name(
    api: FlaskClient, fields: dict[str, Any], blamed: list[str], words: str
) -> None:
    answer = api.post("/tasks", json=fields)
    assert (answer.status_code, fields_of(answer.get_json())) == (400, blamed)
    assert words in answer.get_json()["error"]["message"]


def test_a_task_without_audio_is_refused_with_the_reason(
    api: FlaskClient, storage: Storage, earlier: Callable[..., str]
) -> None:
    ended = submit(api, prompt="x")["task_id"]
    api.delete(f"/tasks/{ended}")
    gone = earlier()
    storage.delete(f"ostinato/results/{gone}/1.wav")
    cut_off = earlier()
    storage.put(key := f"ostinato/results/{cut_off}/1.wav", storage.read(key)[:-1], "audio/wav")
    for task_id, reason in ((ended, "it has cancelled"), (gone, "its audio is gone"), (cut_off, "gone or damaged")):
        answer = api.post("/tasks", json={"continue_from": task_id, "duration": 6})
        assert fields_of(answer.get_json()) == ["continue_from"]
        assert reason in answer.get_json()["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({}, None, None),  # 8 s
        ({"duration": 2.2}, "duration", "the 2 s of continue_from too; send 2.5 or more, or continue_seconds"),
        ({"duration": 2.2, "continue_seconds": 1}, None, None),
        ({"duration": 2.2, "continue_seconds": 0.2}, "continue_seconds", "0.5"),
        ({"duration": 2.2, "continue_seconds": "many"}, "continue_seconds", "number"),
        ({"duration": 2.2, "continue_at": 1}, None, None),
        ({"duration": 2.2, "continue_at": 1.8}, "duration", "the 1.8 s of continue_from too; send 2.3 or more"),
        ({"continue_at": 2.01}, "continue_at", "beyond the end of that task, which has 2 s; send at most that"),
        ({"continue_at": 0.2}, "continue_at", "0.5"),
        ({"continue_at": "half"}, "continue_at", "number"),
        ({"duration": 4, "model": "melody"}, None, None),
    ],
)
def test_lengths_are_checked_at_submit(
    open_api: Callable[..., FlaskClient],
    make_settings: Callable[..., Settings],
    earlier: Callable[..., str],
    fields: dict[str, Any],
    field: str | None,
    words: str | None,
) -> None:
    api = open_api(make_settings(served_models=("tiny", "melody")))
    answer = api.post("/tasks", json={"continue_from": earlier()} | fields)
    if field is None:
        assert answer.status_code == 202, answer.text
    else:
        assert field in fields_of(answer.get_json())
        assert str(words) in answer.get_json()["error"]["message"]


def test_another_accounts_task_is_as_if_it_did_not_exist(
    make_settings: Callable[..., Settings], open_api: Callable[..., FlaskClient], earlier: Callable[..., str]
) -> None:
    theirs = earlier()  # of the account without a key
    api = open_api(make_settings(api_keys=("secret-key-of-mine-000000",)))
    mine = {"headers": {"X-API-Key": "secret-key-of-mine-000000"}}
    answers = [
        api.post("/tasks", json={"continue_from": task_id, "duration": 6}, **mine).get_json()["error"]["message"]
        for task_id in (theirs, "x" * len(theirs))
    ]
    assert answers[0].replace(theirs, "") == answers[1].replace("x" * len(theirs), "")


def test_equal_beginnings_share_the_music_and_others_do_not(
    api: FlaskClient, store: JobStore, earlier: Callable[..., str]
) -> None:
    first = earlier()
    asked = {"continue_from": first, "duration": 6, "seed": 7}
    changes = ({}, {}, {"continue_seconds": 1}, {"continue_seconds": 2}, {"continue_at": 1}, {"continue_at": 1})
    tasks = [submit(api, **asked | change) for change in changes]
    leader, cut = tasks[0]["task_id"], tasks[4]["task_id"]
    assert [store.reader.get(task["task_id"]).primary_id for task in tasks] == [None, leader, None, leader, None, cut]


def test_variations_and_batches_go_on_from_a_task(api: FlaskClient, earlier: Callable[..., str]) -> None:
    first = earlier()
    batch = submit(api, continue_from=first, duration=6, variations=3, seed=5)
    assert [(task["seed"], task["continue_from"]) for task in batch["tasks"]] == [(n, first) for n in (5, 6, 7)]
    answer = api.post("/tasks/batch", json={"requests": [{"continue_from": first}, {"continue_from": "no-such"}]})
    assert fields_of(answer.get_json()) == ["requests[1].continue_from"]
    assert api.post("/tasks/batch", json={"requests": [{"continue_from": first}]}).status_code == 202


def test_the_longest_piece_is_four_minutes_unless_the_settings_say_otherwise(
    api: FlaskClient, make_settings: Callable[..., Settings], client: redis.Redis
) -> None:
    WorkerRegistry(client, make_settings()).announce(replace(TINY, max_duration_s=240.0))
    assert submit(api, prompt="x", duration=240)["status"] == "processing"
    answer = api.post("/tasks", json={"prompt": "x", "duration": 241})
    assert fields_of(answer.get_json()) == ["duration"]
    assert "from 0.5 to 240 seconds" in answer.get_json()["error"]["message"]
    changed = make_settings(served_models=("small", "medium"), max_duration_s=60, model_max_duration_s="small=90")
    other = create_app(changed).test_client()
    for model, longest in (("small", 90), ("medium", 60)):
        asked = {"prompt": "x", "model": model}
        assert other.post("/tasks", json=asked | {"duration": longest}).status_code == 202
        assert f"0.5 to {longest} " in other.post("/tasks", json=asked | {"duration": longest + 1}).text
