"""POST /tasks/<id>/mix refuses what is no mix of stems that are there. The worker is played by the test."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from shared.jobs.store import JobStore
from shared.settings import Settings
from tests.api.routes.test_multi_instrument import TRIO, Answer, Finish, send
from tests.api.routes.test_remix import make, remix
from tests.shared.steps import claim


def test_what_cannot_be_mixed_again_is_refused_with_what_to_do(
    api: FlaskClient, store: JobStore, finish: Finish, settings: Settings
) -> None:
    clip = api.post("/tasks", json={"prompt": "x"}).get_json()["task_id"]
    assert "no piece for several instruments" in remix(api, clip, 409)["error"]["message"]
    api.delete(f"/tasks/{clip}")
    piece = send(api)
    finish(claim(store), b"piano")
    waits = remix(api, piece["task_id"], 409)["error"]
    assert "is not made yet; wait until it has completed" in waits["message"]
    assert (waits["details"]["part"], waits["details"]["status"]) == ("bass", "queued")
    part = remix(api, piece["parts"][0]["task_id"], 409)["error"]
    assert part["details"] == {"whole": piece["task_id"]}
    for _ in range(3):
        finish(claim(store), b"music")
    api.delete(f"/tasks/{piece['parts'][1]['task_id']}?purge=1")
    lost = remix(api, piece["task_id"], 409)["error"]
    assert lost["details"] == {"part": "bass", "task_id": piece["parts"][1]["task_id"], "status": "gone"}
    assert "have the piece made again" in lost["message"]
    assert remix(api, "nonesuch", 404)["error"]["code"] == "NOT_FOUND"
    whole = make(api, store, finish)
    job = store.reader.get(whole["parts"][2]["task_id"])
    assert job.result is not None
    (settings.local_storage_path / job.result.key).unlink()
    assert remix(api, whole["task_id"], 409)["error"]["details"]["part"] == "drums"


@pytest.fixture
def trio(api: FlaskClient, store: JobStore, finish: Finish) -> tuple[FlaskClient, str]:
    return api, make(api, store, finish)["task_id"]


BAD: list[tuple[Answer, str, str]] = [
    ({"levels": {"guitar": 0}}, "levels.guitar", "there is no such track; tracks: piano, bass, drums"),
    ({"levels": {"piano": -97}}, "levels.piano", "send a number from -96 to 24"),
    ({"levels": dict.fromkeys(TRIO, -96)}, "levels", "leaves out every track"),
    ({"levels": [1]}, "levels", "must be an object"),
    ({"panning": {"piano": 2}}, "panning.piano", "from -1 to 1"),
    ({"effects": {"piano": [{"type": "x"}]}}, "effects.piano[0].type", "unknown effect"),
    ({"mix_preset": "jazz"}, "mix_preset", "unknown preset; send one of"),
    ({"loudness": 0}, "loudness", "LUFS"),
    ({"output_format": "mid"}, "output_format", "one of wav"),
    ({"title": "x" * 201}, "title", "at most 200"),
    ({"duration": 4}, "duration", "unknown field; leave it out. Known: cache"),
    ({"prompt": "x"}, "prompt", "unknown field"),
    ({"tempo_bpm": 90}, "tempo_bpm", "unknown field"),
    ({"priority": "urgent"}, "priority", "one of high"),
]


def test_every_bad_field_is_refused_by_name(trio: tuple[FlaskClient, str]) -> None:
    for fields, named, words in BAD:
        faults = remix(*trio, 400, **fields)["error"]["details"]["fields"]
        assert [fault["field"] for fault in faults] == [named]
        assert words in faults[0]["message"]


def test_all_faults_are_told_at_once(trio: tuple[FlaskClient, str]) -> None:
    fields = {"mix_preset": "x", "panning": {"bass": 9}, "loudness": 3, "webhook_url": "ftp://x", "seed": 3}
    faults = remix(*trio, 400, **fields)["error"]["details"]["fields"]
    assert {fault["field"] for fault in faults} == set(fields) - {"panning"} | {"panning.bass"}


def test_a_full_line_takes_no_mix_and_keeps_nothing_of_it(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], store: JobStore, finish: Finish
) -> None:
    api = open_api(make_settings(max_queue_length=4))
    piece = make(api, store, finish)
    send(api)
    assert remix(api, piece["task_id"], 429)["error"]["code"] == "QUEUE_FULL"
    assert store.reader.count("local") == 2


def test_a_body_that_is_no_object_is_refused(trio: tuple[FlaskClient, str]) -> None:
    api, task_id = trio
    for body in ("[]", "3", "{", ""):
        answer = api.post(f"/tasks/{task_id}/mix", data=body, content_type="application/json")
        assert answer.status_code in (400, 415), body
        assert json.loads(answer.text)["error"]["message"]
