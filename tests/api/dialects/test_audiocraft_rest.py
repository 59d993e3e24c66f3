"""Try /generate, /generate-with-melody, /generate-async and /audio by each example of the AudioCraft REST tutorial."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.api.dialects.conftest import FAILING_PROMPT, Player, await_end
from tests.audio_fixtures import data_uri, file_of, tone

EXAMPLE = {
    "prompt": "An electronic dance track with a catchy melody",
    "model_size": "small",
    "duration": 10.0,
    "temperature": 1.0,
    "top_k": 250,
    "top_p": 0.0,
    "output_format": "mp3",
    "return_type": "url",
}


def test_the_example_with_a_link_is_answered_field_by_field(api: FlaskClient) -> None:
    answer = api.post("/generate", json=EXAMPLE)
    assert answer.status_code == 200, answer.json
    made = answer.json
    assert made is not None
    assert list(made) == ["success", "generation_time", "audio_url", "format", "sample_rate"]
    assert (made["success"], made["format"], made["sample_rate"]) == (True, "mp3", 32000)
    audio = api.get(made["audio_url"])
    assert made["audio_url"].startswith("/audio/")
    assert made["audio_url"].endswith(".mp3")
    assert audio.headers["Content-Disposition"].startswith("attachment")


def test_the_example_in_base64_holds_the_file(api: FlaskClient) -> None:
    made = api.post("/generate", json=EXAMPLE | {"return_type": "base64", "output_format": "wav"}).json
    assert made is not None
    assert list(made) == ["success", "generation_time", "audio", "format", "sample_rate"]
    assert base64.b64decode(made["audio"])[:4] == b"RIFF"


def test_what_is_left_out_has_the_documents_defaults(api: FlaskClient, player: Player) -> None:
    assert api.post("/generate", json={"prompt": "x"}).status_code == 200
    asked = player.seen[-1].request
    assert (asked.duration_s, asked.temperature, asked.top_k, asked.top_p) == (5.0, 1.0, 250, 0.0)
    assert asked.output_format == "wav"


@pytest.mark.parametrize("written", ["OGG", "Ogg", "ogg"])
def test_a_format_may_be_written_in_any_case_and_numbers_as_text(api: FlaskClient, written: str) -> None:
    made = api.post("/generate", json={"prompt": "x", "duration": "2", "output_format": written}).json
    assert made is not None
    assert made["format"] == written
    assert made["audio_url"].endswith(".ogg")


@pytest.mark.parametrize("path", ["/generate", "/generate-async"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": ""}, "Prompt is required"),
        ({"prompt": None}, "Prompt is required"),
        ({"model_size": "huge"}, "Invalid model size"),
        ({"duration": 0.5}, "Duration must be between 1 and 30 seconds"),
        ({"duration": 30.1}, "Duration must be between 1 and 30 seconds"),
        ({"temperature": 3}, "Temperature must be between 0.1 and 2.0"),
        ({"output_format": "flac"}, "Invalid output format. Use wav, mp3 or ogg"),
        ({"tempo": 1}, "Unknown field: tempo"),
    ],
)
def test_bad_fields_get_the_documents_words(api: FlaskClient, path: str, change: dict[str, Any], words: str) -> None:
    body = {name: value for name, value in EXAMPLE.items() if name != "return_type"}
    answer = api.post(path, json=body | change)
    assert (answer.status_code, answer.json) == (400, {"error": words})


def test_a_melody_form_is_made_with_ten_seconds_on_a_melody_model(api: FlaskClient, player: Player) -> None:
    form = {"prompt": "x", "melody": (io.BytesIO(file_of(tone(seconds=2.0), 32_000)), "hum.wav")}
    answer = api.post("/generate-with-melody", data=form)
    assert answer.status_code == 200, answer.json
    assert list(answer.json or {}) == ["success", "generation_time", "audio_url", "format", "sample_rate"]
    assert answer.headers["X-Melody-Seconds"] == "2.000"
    asked = player.seen[-1].request
    assert asked.duration_s == 10.0
    assert asked.melody is not None
    assert asked.melody.seconds == pytest.approx(2.0)


def test_a_melody_in_json_is_made_like_that_of_a_form(api: FlaskClient, player: Player) -> None:
    answer = api.post(
        "/generate-with-melody", json={"prompt": "x", "melody": data_uri(file_of(tone(seconds=2.0), 32_000))}
    )
    assert (answer.status_code, answer.headers.get("X-Melody-Seconds")) == (200, "2.000"), answer.json
    asked = player.seen[-1].request
    assert (asked.duration_s, asked.melody and asked.melody.seconds) == (10.0, 2.0)
    without = api.post("/generate-with-melody", json={"prompt": "x", "melody": None})
    assert (without.status_code, without.json) == (400, {"error": "No melody file provided"})


def test_a_form_without_a_melody_says_so(api: FlaskClient) -> None:
    answer = api.post("/generate-with-melody", data={"prompt": "x"}, content_type="multipart/form-data")
    assert (answer.status_code, answer.json) == (400, {"error": "No melody file provided"})


def test_an_asynchronous_task_is_polled_to_its_end(api: FlaskClient) -> None:
    body = {name: value for name, value in EXAMPLE.items() if name != "return_type"}
    answer = api.post("/generate-async", json=body)
    assert answer.status_code == 200
    assert list(answer.json or {}) == ["task_id", "status"]
    assert (answer.json or {})["status"] == "processing"
    task = await_end(api, f"/tasks/{(answer.json or {})['task_id']}", "processing")
    assert task["status"] == "completed"
    assert task["result"]["success"] is True
    assert task["result"]["format"] == "mp3"
    assert task["result"]["sample_rate"] == 32000
    assert api.get(task["audio_url"]).status_code == 200


def test_a_failed_task_says_why_as_text(api: FlaskClient) -> None:
    task_id = api.post("/generate-async", json={"prompt": FAILING_PROMPT}).json["task_id"]
    task = await_end(api, f"/tasks/{task_id}", "processing")
    assert (task["status"], task["error"]) == ("failed", "Model loading failed: Out of memory")
    answer = api.post("/generate", json={"prompt": FAILING_PROMPT})
    assert (answer.status_code, answer.json) == (500, {"error": "Model loading failed: Out of memory"})


def test_a_cancelled_asynchronous_task_reads_failed(api: FlaskClient, player: Player) -> None:
    player.rest()
    task_id = api.post("/generate-async", json={"prompt": "x"}).json["task_id"]
    assert api.delete(f"/tasks/{task_id}").status_code == 200
    task = api.get(f"/tasks/{task_id}").json
    assert task is not None
    assert task["status"] == "failed"
    assert "cancelled" in task["error"]


@pytest.mark.parametrize("name", ["nothing.mp3", "x", "..%2fetc%2fpasswd", "%00.wav"])
def test_audio_that_is_not_there_is_a_404_with_an_error(api: FlaskClient, name: str) -> None:
    answer = api.get(f"/audio/{name}")
    assert answer.status_code == 404
    assert "error" in (answer.json or {})
