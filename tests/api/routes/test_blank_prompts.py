"""A prompt without any visible character is blank in every prompt field of every route; an emoji is a prompt."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.jobs.store import JobStore
from shared.settings import Settings
from tests.audio_fixtures import file_of, tone

BLANK = "\u3164 \u2800\u200b\u115f"
NOTE = "\U0001f469\u200d\U0001f3a4"
# where a prompt stands, and what the refusal says of it
FIELDS: dict[str, tuple[str, Any, str]] = {
    "a task": ("/tasks", lambda text: {"prompt": text}, "prompt: is empty or blank"),
    "variations": ("/tasks", lambda text: {"prompt": text, "variations": 2}, "prompt: is empty or blank"),
    "a batch": (
        "/tasks/batch",
        lambda text: {"requests": [{"prompt": "x"}, {"prompt": text}]},
        "requests[1].prompt: is empty or blank",
    ),
    "an instrument": (
        "/tasks/multi-instrument",
        lambda text: {"instruments": {"piano": text, "bass": "x"}},
        "instruments.piano: is empty or blank",
    ),
    "an instrument's prompt": (
        "/tasks/multi-instrument",
        lambda text: {"instruments": {"piano": {"prompt": text}}},
        "instruments.piano.prompt: is empty or blank",
    ),
    "v1_audio": (
        "/v1/audio/music",
        lambda text: {"description": text, "webhook_url": "https://example.com/"},
        "Missing required parameter: description",
    ),
    "audiocraft_rest": ("/generate-async", lambda text: {"prompt": text}, "Prompt is required"),
    "musicgen_ai": ("/api/v1/generate", lambda text: {"prompt": text, "duration": 2}, "Prompt cannot be empty"),
    "musicgen_ai's batch": (
        "/api/v1/generate/batch",
        lambda text: {"requests": [{"prompt": text, "duration": 2}]},
        "requests[0]: Prompt cannot be empty",
    ),
    "musicgen_ai's instruments": (
        "/api/v1/multi-instrument",
        lambda text: {"instruments": {"piano": text}, "duration": 2},
        "instruments.piano: is empty or blank",
    ),
    "runpod": ("/v2/tiny/run", lambda text: {"input": {"prompt": text}}, "Invalid prompt"),
}


@pytest.fixture
def api(open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]) -> FlaskClient:
    return open_api(make_settings(default_model="tiny", model_aliases={"small": "tiny"}))


@pytest.mark.parametrize(("path", "body", "words"), FIELDS.values(), ids=FIELDS)
def test_a_prompt_that_shows_nothing_is_refused_and_an_emoji_is_not(
    api: FlaskClient, path: str, body: Callable[[str], dict[str, Any]], words: str
) -> None:
    refused, taken = api.post(path, json=body(BLANK)), api.post(path, json=body(NOTE))
    failed = (refused.json or {}).get("status") == "FAILED"
    assert refused.status_code == 400 or failed, refused.text
    assert words in json.dumps(refused.json, ensure_ascii=False)
    assert taken.status_code in (200, 202), taken.text
    assert (taken.json or {}).get("status") != "FAILED"


def test_the_synchronous_document_says_what_is_required(api: FlaskClient) -> None:
    assert api.post("/generate/", json={"text": BLANK}).json == {"detail": "text is required"}
    assert api.post("/generate", json={"prompt": BLANK}).json == {"error": "Prompt is required"}


def test_beside_a_melody_a_prompt_that_shows_nothing_is_none(api: FlaskClient, store: JobStore) -> None:
    form = {"prompt": BLANK, "melody": (io.BytesIO(file_of(tone(440, 1.0), 32_000)), "hum.wav")}
    answer = api.post("/tasks", data=form, content_type="multipart/form-data")
    assert answer.status_code == 202, answer.text
    assert store.reader.get((answer.json or {})["task_id"]).request.prompt == ""
