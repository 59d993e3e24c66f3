"""m4a and aac at submit: refused while a live worker of the model cannot write them, in each surface's own shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.app import create_app
from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY

ABLE = replace(TINY, ffmpeg=True)
REMEDY = "Send one of wav, mp3, ogg, opus, flac; or install ffmpeg"


@pytest.fixture
def workers(client: redis.Redis, settings: Settings) -> WorkerRegistry:
    return WorkerRegistry(client, settings)


def submit(api: FlaskClient, output_format: str = "m4a", status: int = 202) -> dict[str, Any]:
    answer = api.post("/tasks", json={"prompt": "calm piano", "output_format": output_format})
    assert answer.status_code == status, answer.text
    return dict(answer.get_json())


@pytest.mark.parametrize("asked", ["m4a", "aac", " M4A "])
def test_without_a_program_the_field_the_worker_and_the_remedy_are_named(api: FlaskClient, asked: str) -> None:
    error = submit(api, asked, 400)["error"]
    (fault,) = error["details"]["fields"]
    assert (error["code"], fault["field"], fault["value"]) == ("FORMAT_UNAVAILABLE", "output_format", repr(asked))
    assert (
        f"{asked.strip().lower()} needs an ffmpeg program, which the worker w1 of tiny does not have"
        in fault["message"]
    )
    assert REMEDY in fault["message"]


def test_it_is_told_with_what_else_is_wrong(api: FlaskClient) -> None:
    answer = api.post("/tasks", json={"prompt": "", "output_format": "m4a", "top_k": -1})
    assert {f["field"] for f in answer.get_json()["error"]["details"]["fields"]} == {"prompt", "output_format", "top_k"}


def test_any_worker_may_draw_the_job_so_all_need_one(api: FlaskClient, workers: WorkerRegistry) -> None:
    workers.announce(replace(ABLE, worker="w2"))
    submit(api, status=400)
    workers.announce(ABLE)
    task = submit(api)
    assert task["output_format"] == "m4a"
    workers.announce(replace(TINY, worker="of another", model="mine", checkpoint="/data/mine"))
    submit(api, "aac")


def test_while_no_worker_lives_nobody_knows_and_the_task_waits(make_settings: Callable[..., Settings]) -> None:
    submit(create_app(make_settings(served_models=("tiny",))).test_client())


def test_several_clips_and_pieces_are_refused_alike(api: FlaskClient, workers: WorkerRegistry) -> None:
    one = {"prompt": "calm piano", "output_format": "m4a"}
    sent = [
        ("/tasks", one | {"variations": 2}, "output_format"),
        ("/tasks/batch", {"requests": [{"prompt": "a"}, one]}, "requests[1].output_format"),
        ("/tasks/multi-instrument", {"instruments": {"piano": "calm"}, "output_format": "m4a"}, "output_format"),
    ]
    for path, body, field in sent:
        error = api.post(path, json=body).get_json()["error"]
        assert [fault["field"] for fault in error["details"]["fields"]] == [field], path
        assert error["code"] == "FORMAT_UNAVAILABLE"
    workers.announce(ABLE)
    assert [api.post(path, json=body).status_code for path, body, _ in sent] == [202, 202, 202]


def test_what_was_accepted_before_is_replayed_also_when_a_worker_without_one_has_come(
    api: FlaskClient, open_api: Callable[..., FlaskClient], workers: WorkerRegistry, settings: Settings
) -> None:
    one = {"prompt": "calm piano", "output_format": "m4a"}
    sent = {
        "/tasks": one,
        "/tasks/batch": {"requests": [{"prompt": "a"}, one]},
        "/tasks/multi-instrument": {"instruments": {"piano": "calm"}, "output_format": "m4a"},
    }

    def send(to: FlaskClient) -> list[str]:
        answers = [to.post(path, json=body, headers={"Idempotency-Key": path}) for path, body in sent.items()]
        assert [answer.status_code for answer in answers] == [202, 202, 202]
        return [answer.headers["Location"] for answer in answers]

    workers.announce(ABLE)
    accepted = send(api)
    later = open_api(settings)  # which announces TINY
    submit(later, status=400)
    assert send(later) == accepted


def test_the_music_gen_ai_api_refuses_and_takes_it_in_its_own_words(api: FlaskClient, workers: WorkerRegistry) -> None:
    body = {"prompt": "calm piano", "duration": 2, "output_format": "m4a"}
    for path in ("/api/v1/generate", "/api/v1/multi-instrument"):
        asked = body if path.endswith("generate") else {"instruments": {"piano": "calm"}, "output_format": "aac"}
        refused = api.post(path, json=asked)
        assert refused.status_code == 400
        assert REMEDY in refused.text
    workers.announce(ABLE)
    assert api.post("/api/v1/generate", json=body).status_code == 202
