"""Try /api/v1 by each example of the Music Gen AI reference."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.api.dialects.conftest import FAILING_PROMPT, Player, await_end

EXAMPLE = {"prompt": "Upbeat jazz piano", "duration": 30.0, "temperature": 0.8, "top_k": 50, "top_p": 0.9}


def test_the_example_is_accepted_and_polled_to_its_end(api: FlaskClient, player: Player) -> None:
    answer = api.post("/api/v1/generate", json=EXAMPLE)
    assert answer.status_code == 202, answer.json
    accepted = answer.json
    assert accepted is not None
    assert list(accepted) == ["task_id", "status", "eta"]
    assert accepted["status"] == "processing"
    assert isinstance(accepted["eta"], int | None)
    task = await_end(api, f"/api/v1/generate/{accepted['task_id']}", "processing")
    assert list(task) == ["task_id", "status", "audio_url", "duration", "metadata"]
    assert (task["status"], task["duration"]) == ("completed", 30.0)
    assert task["audio_url"].startswith("http://localhost/")
    assert api.get(task["audio_url"]).status_code == 200
    asked = player.seen[-1].request
    assert (asked.temperature, asked.top_k, asked.top_p) == (0.8, 50, 0.9)


def test_an_empty_prompt_gets_the_documents_error(api: FlaskClient) -> None:
    for body in ({"prompt": ""}, {"prompt": "   "}, {}):
        answer = api.post("/api/v1/generate", json=body)
        assert (answer.status_code, answer.json) == (
            400,
            {"error": {"code": "INVALID_PROMPT", "message": "Prompt cannot be empty", "details": {}}},
        )


@pytest.mark.parametrize(
    "change", [{"duration": 0}, {"duration": 1e9}, {"top_k": -1}, {"top_p": 2}, {"tempo": 1}, {"output_format": "aac"}]
)
def test_a_bad_field_is_named(api: FlaskClient, change: dict[str, Any]) -> None:
    answer = api.post("/api/v1/generate", json=EXAMPLE | change)
    assert answer.status_code == 400
    assert next(iter(change)) in (answer.json or {})["error"]["message"]


def test_an_unknown_task_is_a_404_in_the_documents_shape(api: FlaskClient) -> None:
    answer = api.get("/api/v1/generate/nothing")
    assert answer.status_code == 404
    assert (answer.json or {})["error"]["code"] == "NOT_FOUND"


def test_a_failed_task_says_why(api: FlaskClient) -> None:
    task_id = api.post("/api/v1/generate", json={"prompt": FAILING_PROMPT, "duration": 1}).json["task_id"]
    task = await_end(api, f"/api/v1/generate/{task_id}", "processing")
    assert task["status"] == "failed"
    assert task["error"]["message"] == "Model loading failed: Out of memory"


def test_models_are_listed_with_size_and_quality(api: FlaskClient) -> None:
    models = {model["name"]: model for model in (api.get("/api/v1/models").json or {})["models"]}
    assert models["musicgen-small"]["size"] == "300M"
    assert models["musicgen-small"]["quality"] == "good"
    assert models["tiny"]["available"] is True


def test_health_is_the_services_health(api: FlaskClient) -> None:
    answer = api.get("/api/v1/health")
    assert answer.status_code == 200
    assert (answer.json or {})["status"] == "healthy"


def test_the_websockets_addresses_tell_a_plain_request_what_they_are(api: FlaskClient) -> None:
    for path in ("/api/v1/ws/stream", "/ws/stream"):
        answer = api.get(path)
        assert (answer.status_code, answer.headers["Upgrade"]) == (426, "websocket")
        assert (answer.json or {})["error"]["code"] == "UPGRADE_REQUIRED"
