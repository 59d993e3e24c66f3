"""Try /v1/audio/music by each example of its document."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.version import VERSION
from shared.webhooks.subscription import Webhook
from tests.api.dialects.conftest import FAILING_PROMPT, Player

BASIC = {
    "description": "lo-fi music with a soothing melody",
    "duration": 8,
    "model_size": "small",
    "output_format": "wav",
}
EXAMPLES = (
    BASIC,
    {
        "description": "classical piano piece in minor key",
        "duration": 20,
        "model_size": "large",
        "output_format": "wav",
    },
    {
        "description": "ambient background music for relaxation",
        "duration": 30,
        "model_size": "medium",
        "output_format": "mp3",
    },
    {"description": "8-bit video game music with upbeat tempo", "duration": 10, "model_size": "small"},
    {"description": "upbeat electronic dance music", "duration": 15, "model_size": "medium"},
)


@pytest.mark.parametrize("body", EXAMPLES)
def test_every_example_gets_the_whole_envelope_with_true_values(api: FlaskClient, body: dict[str, Any]) -> None:
    answer = api.post("/v1/audio/music", json=body | {"id": "music-gen-123"})
    assert answer.status_code == 200, answer.json
    envelope = answer.json
    assert envelope is not None
    assert list(envelope) == [
        "endpoint", "code", "id", "job_id", "response", "message", "pid", "run_time", "queue_time", "total_time",
        "queue_length", "build_number",
    ]  # fmt: skip
    assert envelope["endpoint"] == "/v1/audio/music"
    assert (envelope["code"], envelope["message"], envelope["id"]) == (200, "success", "music-gen-123")
    assert envelope["pid"] == os.getpid()
    assert envelope["build_number"] == VERSION
    assert envelope["queue_length"] == 0
    assert 0 <= envelope["queue_time"] <= envelope["total_time"]
    assert envelope["total_time"] == pytest.approx(envelope["queue_time"] + envelope["run_time"], abs=0.002)
    response = envelope["response"]
    assert response["message"] == "Music generated successfully"
    assert response["duration"] == body["duration"]
    assert response["description"] == body["description"]
    assert response["model_used"] == "tiny"
    assert response["sampling_rate"] == 32000
    audio = api.get(response["output_url"])
    assert response["output_url"].startswith("http://localhost/")
    assert len(audio.data) == response["file_size"]


def test_what_is_left_out_has_the_documents_defaults(api: FlaskClient, player: Player) -> None:
    envelope = api.post("/v1/audio/music", json={"description": "x"}).json
    assert envelope is not None
    assert envelope["id"] is None
    asked = player.seen[-1].request
    assert (asked.duration_s, asked.output_format, asked.guidance_scale, asked.temperature) == (8.0, "wav", 3.0, 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"description": None}, "Missing required parameter: description"),
        ({"description": "  "}, "Missing required parameter: description"),
        ({"duration": 31}, "Duration cannot exceed 30 seconds"),
        ({"duration": 0}, "Duration must be at least 1 second"),
        ({"duration": "long"}, "Invalid duration. Must be a number of seconds from 1 to 30"),
        ({"duration": True}, "Invalid duration. Must be a number of seconds from 1 to 30"),
        ({"model_size": "huge"}, "Invalid model_size. Must be 'small', 'medium', or 'large'"),
        ({"output_format": "ogg"}, "Invalid output_format. Must be 'wav' or 'mp3'"),
        ({"id": 7}, "Invalid id. Must be a string of at most 200 characters"),
        ({"tempo": 7}, "Unknown parameter: tempo"),
    ],
)
def test_a_bad_parameter_gets_the_documents_words(api: FlaskClient, change: dict[str, Any], message: str) -> None:
    answer = api.post("/v1/audio/music", json=BASIC | change)
    assert (answer.status_code, answer.json) == (400, {"code": 400, "message": message})


def test_a_missing_body_is_a_missing_description_or_no_json(api: FlaskClient) -> None:
    assert api.post("/v1/audio/music", json={}).json == {
        "code": 400,
        "message": "Missing required parameter: description",
    }
    answer = api.post("/v1/audio/music", data="{", content_type="application/json")
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["code"] == 400


def test_a_failed_generation_is_a_500_with_the_reason(api: FlaskClient) -> None:
    answer = api.post("/v1/audio/music", json={"description": FAILING_PROMPT})
    assert (answer.status_code, answer.json) == (
        500,
        {"code": 500, "message": "Music generation failed", "error": "Model loading failed: Out of memory"},
    )


def test_get_describes_the_endpoint(api: FlaskClient) -> None:
    answer = api.get("/v1/audio/music").json
    assert answer is not None
    assert (answer["endpoint"], answer["method"]) == ("/v1/audio/music", "POST")
    assert answer["parameters"]["duration"] == {
        "type": "integer",
        "required": False,
        "default": 8,
        "max": 30,
        "description": "Duration in seconds (max 30)",
    }
    assert answer["parameters"]["model_size"]["options"] == ["small", "medium", "large"]
    assert len(answer["examples"]) == 2


@pytest.mark.parametrize(
    ("public_url", "host", "base"),
    [
        (None, "music.local:5000", "http://music.local:5000"),
        (None, "x." * 150 + "local", ""),
        ("https://music.example", "music.local:5000", ""),
    ],
    ids=["the request's own host", "too long a name", "PUBLIC_URL, when it is sent"],
)
def test_a_webhook_keeps_the_address_that_its_submission_came_to(
    make_settings: Callable[..., Settings], store: JobStore, public_url: str | None, host: str, base: str
) -> None:
    settings = make_settings(served_models=("small",), public_url=public_url, webhook_allow_private=True, insecure=True)
    api = create_app(settings).test_client()
    wish = {"description": "lo-fi", "webhook_url": "http://127.0.0.1:9/hook"}
    ids = [
        api.post("/v1/audio/music", json=wish, headers={"Host": name, "Idempotency-Key": "k"}).get_json()["job_id"]
        for name in (host, "another.local")
    ]
    assert ids[0] == ids[1], "the address is no part of what was asked for"
    recorded = store.reader.get(ids[0]).webhook
    assert recorded is not None
    assert Webhook.from_json(recorded) == Webhook("http://127.0.0.1:9/hook", base=base)
