"""`tempo_bpm` and `key` in POST /tasks, in batches and in variations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.jobs.job import Job
from shared.jobs.store import JobStore
from tests.api.routes.test_batches import fields_of
from tests.audio_fixtures import file_of, tone
from tests.shared.steps import claim

ASKED = {"prompt": "Jazz piano comping", "tempo_bpm": 94, "key": "eb major"}
TOLD = "Jazz piano comping in Eb major, at 94 bpm"


def submit(api: FlaskClient, **fields: Any) -> dict[str, Any]:
    answer = api.post("/tasks", json=fields)
    assert answer.status_code == 202, answer.text
    return dict(answer.get_json())


def test_the_model_gets_them_in_the_words_of_a_part_of_several_instruments(api: FlaskClient, store: JobStore) -> None:
    task = submit(api, **ASKED)
    assert (task["prompt"], task["tempo_bpm"], task["key"]) == (TOLD, 94, "Eb major")
    assert store.reader.get(task["task_id"]).request.prompt == TOLD
    piece = {"instruments": {"piano": ASKED["prompt"]}, "tempo_bpm": 94, "key": "eb major"}
    parts = api.post("/tasks/multi-instrument", json=piece).get_json()["parts"]
    assert parts[0]["prompt"] == TOLD


def test_a_prompt_that_names_them_keeps_its_own_and_a_warning_says_so(api: FlaskClient) -> None:
    task = submit(api, prompt="techno at 140 bpm", tempo_bpm=94, key="D minor")
    assert task["prompt"] == "techno at 140 bpm in D minor"
    assert task["warnings"] == ["tempo_bpm: 94 was not used, as the prompt names 140 bpm"]


def test_without_them_an_answer_has_neither(api: FlaskClient) -> None:
    assert not {"tempo_bpm", "key", "warnings"} & submit(api, prompt="calm piano").keys()


def test_they_are_told_of_the_completed_task_too(
    api: FlaskClient, store: JobStore, finish: Callable[[Job, bytes], Job]
) -> None:
    task_id = submit(api, **ASKED | {"prompt": "waltz in C major"})["task_id"]
    finish(claim(store), file_of(tone(440, 1.0), 32_000))
    task = api.get(f"/tasks/{task_id}").get_json()
    assert (task["status"], task["prompt"], task["tempo_bpm"]) == ("completed", "waltz in C major, at 94 bpm", 94)
    assert task["result"]["warnings"] == ["key: Eb major was not used, as the prompt names C major"]


def test_a_batch_and_variations_take_them(api: FlaskClient) -> None:
    requests = [ASKED, {"prompt": "calm piano"}, {"prompt": "drums", "tempo_bpm": 120}]
    tasks = api.post("/tasks/batch", json={"requests": requests}).get_json()["tasks"]
    assert [task["prompt"] for task in tasks] == [TOLD, "calm piano", "drums, at 120 bpm"]
    varied = submit(api, **ASKED, seed=7, variations=2)["tasks"]
    assert [(task["prompt"], task["seed"]) for task in varied] == [(TOLD, 7), (TOLD, 8)]


def test_a_form_takes_them_as_text(api: FlaskClient) -> None:
    answer = api.post("/tasks", data={name: str(value) for name, value in ASKED.items()})
    assert answer.get_json()["prompt"] == TOLD


def test_bad_ones_are_refused_together_by_name_with_value_and_remedy(api: FlaskClient) -> None:
    answer = api.post("/tasks", json={"prompt": "calm piano", "tempo_bpm": 300, "key": "H major"})
    assert answer.status_code == 400
    assert fields_of(answer.get_json()) == ["tempo_bpm", "key"]
    message = answer.get_json()["error"]["message"]
    assert "less than or equal to 240 (got 300). Send whole beats a minute from 40 to 240" in message
    assert "names no key (got 'H major'). Send a key such as 'A minor'" in message
    batch = api.post("/tasks/batch", json={"requests": [{"prompt": "x"}, {"prompt": "x", "tempo_bpm": 20}]})
    assert fields_of(batch.get_json()) == ["requests[1].tempo_bpm"]


def test_one_idempotency_key_holds_on_to_them(api: FlaskClient) -> None:
    key = {"Idempotency-Key": "k"}
    first = api.post("/tasks", json=ASKED, headers=key).get_json()
    again = api.post("/tasks", json=ASKED | {"key": "Eb major"}, headers=key)
    assert again.get_json()["task_id"] == first["task_id"]
    assert api.post("/tasks", json=ASKED | {"tempo_bpm": 95}, headers=key).status_code == 422


@pytest.mark.parametrize(
    ("fields", "prompt", "told"),
    [
        ({}, TOLD, (94, "Eb major")),
        ({"tempo_bpm": 120}, "Jazz piano comping in Eb major, at 120 bpm", (120, "Eb major")),
        ({"key": None}, "Jazz piano comping, at 94 bpm", (94, None)),
        ({"prompt": "a guitar solo"}, "a guitar solo in Eb major, at 94 bpm", (94, "Eb major")),
        (
            {"prompt": "a guitar solo at 100 bpm", "tempo_bpm": None, "key": None},
            "a guitar solo at 100 bpm",
            (None, None),
        ),
    ],
    ids=["nothing", "tempo_bpm", "no key", "prompt", "none of them"],
)
def test_what_goes_on_from_a_task_has_its_tempo_and_key_unless_it_names_its_own(
    api: FlaskClient,
    store: JobStore,
    finish: Callable[[Job, bytes], Job],
    fields: dict[str, Any],
    prompt: str,
    told: tuple[int | None, str | None],
) -> None:
    first = submit(api, **ASKED, duration=2)["task_id"]
    finish(claim(store), file_of(tone(440, 2.0), 32_000))
    sent = {"continue_from": first, "duration": 6} | fields
    key = {"Idempotency-Key": "k"}
    task = api.post("/tasks", json=sent, headers=key).get_json()
    assert (task["prompt"], task.get("tempo_bpm"), task.get("key")) == (prompt, *told)
    assert "warnings" not in task
    assert api.delete(f"/tasks/{first}?purge=1").status_code == 200
    again = api.post("/tasks", json=sent, headers=key)
    assert again.get_json()["task_id"] == task["task_id"], "the same request, also when the earlier task is gone"


def test_a_document_of_another_api_has_no_such_fields(api: FlaskClient) -> None:
    for path, body in (
        ("/api/v1/generate", {"prompt": "calm piano", "duration": 1}),
        ("/v1/audio/music", {"prompt": "calm piano", "duration": 1}),
    ):
        answer = api.post(path, json=body | {"tempo_bpm": 94})
        assert answer.status_code == 400, path
        assert "tempo_bpm" in answer.text
