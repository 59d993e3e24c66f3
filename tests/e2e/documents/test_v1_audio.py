"""Try /v1/audio/music on real parts: each example of its document, its envelope with true values, its refusals."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from shared.settings import read_settings
from shared.version import VERSION
from tests.e2e.documents.conftest import STRANGER, Door, asked, heard

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

PATH = "/v1/audio/music"
KEY = "YOUR_API_KEY"


def wish(description: str, duration: int, size: str, form: str) -> dict[str, Any]:
    return {"description": description, "duration": duration, "model_size": size, "output_format": form}


BASIC = wish("lo-fi music with a soothing melody", 8, "small", "wav")
EXAMPLES = (
    BASIC,
    wish("upbeat electronic dance music with heavy bass", 15, "medium", "mp3") | {"id": "music-gen-123"},
    wish("classical piano piece in minor key", 20, "large", "wav"),
    wish("ambient background music for relaxation", 30, "medium", "mp3"),
    wish("8-bit video game music with upbeat tempo", 10, "small", "wav"),
    wish("professional podcast intro music with electronic elements", 15, "medium", "mp3"),
    wish("melancholic piano melody in minor key", 20, "large", "wav"),
)
ENVELOPE = [
    "endpoint", "code", "id", "job_id", "response", "message", "pid", "run_time", "queue_time", "total_time",
    "queue_length", "build_number",
]  # fmt: skip
RESPONSE = ["message", "output_url", "duration", "model_used", "description", "file_size", "sampling_rate"]


@pytest.mark.parametrize("body", EXAMPLES, ids=lambda body: body["description"])
def test_each_example_reaches_the_workers_as_it_was_sent(open_door: Door, body: dict[str, Any]) -> None:
    job, answer = open_door.overhear(lambda: open_door.http.post(PATH, json=body))
    assert asked(job.request, "prompt", "duration", "output_format", "model", "client_id") == {
        "prompt": body["description"],
        "duration": body["duration"],
        "output_format": body["output_format"],
        "model": "tiny",
        "client_id": body.get("id"),
    }
    told = {"code": 500, "message": "Music generation failed", "error": f"task {job.id} was cancelled"}
    assert (answer.status_code, answer.json()) == (500, told)


def test_what_is_left_out_has_the_documents_defaults(open_door: Door) -> None:
    job, _ = open_door.overhear(lambda: open_door.http.post(PATH, json={"description": "x"}))
    names = ("duration", "model", "output_format", "client_id", "temperature", "guidance_scale", "top_k")
    assert tuple(asked(job.request, *names).values()) == (8.0, "tiny", "wav", None, 1.0, 3.0, 250)


def test_the_answer_is_the_whole_envelope_with_true_values(open_door: Door) -> None:
    since = time.monotonic()
    answer = open_door.http.post(PATH, json=BASIC | {"duration": 1, "id": "music-gen-123"}, headers={"x-api-key": KEY})
    took_s = time.monotonic() - since
    assert answer.status_code == 200, answer.text
    envelope, job = answer.json(), open_door.recorded(answer.json()["job_id"])
    assert list(envelope) == ENVELOPE
    assert list(envelope["response"]) == RESPONSE
    assert (envelope["endpoint"], envelope["code"], envelope["message"]) == (PATH, 200, "success")
    assert (envelope["id"], envelope["job_id"]) == ("music-gen-123", job.id)
    assert envelope["pid"] in open_door.pids()
    assert (envelope["queue_length"], envelope["build_number"]) == (0, VERSION)
    assert envelope["build_number"] == open_door.http.get("/health").json()["version"]
    assert 0 < envelope["run_time"] <= envelope["total_time"] <= took_s
    assert envelope["queue_time"] + envelope["run_time"] == pytest.approx(envelope["total_time"], abs=0.002)
    assert job.result is not None
    assert job.result.generation_time_s <= envelope["run_time"]
    response = envelope["response"]
    assert response["message"] == "Music generated successfully"
    assert (response["model_used"], response["description"]) == ("tiny", BASIC["description"])
    assert response["output_url"].startswith(open_door.url)
    audio = httpx.get(response["output_url"])
    assert (audio.headers["Content-Type"], len(audio.content)) == ("audio/wav", response["file_size"])
    assert heard(audio.content) == (1, response["duration"], response["sampling_rate"]) == (1, 1.0, 32_000)
    stored = open_door.stack.services.settings.local_storage_path / job.result.key
    assert stored.read_bytes() == audio.content, "LOCAL_STORAGE_PATH"


def test_the_queue_length_is_that_of_the_models_queue(open_door: Door) -> None:
    """Count what comes in meanwhile: one worker makes one clip at a time, so it still waits for the answer's count."""
    with ThreadPoolExecutor(1) as pool:
        before = open_door.newest()
        answer = pool.submit(lambda: open_door.http.post(PATH, json=BASIC | {"duration": 3}))
        open_door.stack.wait_for(lambda: open_door.newest() != before, "the job")
        waiting = [open_door.stack.submit(prompt=f"waits {number}", duration=8) for number in range(3)]
        length = answer.result().json()["queue_length"]
    for task_id in waiting:
        open_door.http.delete(f"/tasks/{task_id}")
    assert length in (2, 3), "the next one may have begun before the answer was written"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"description": None}, "Missing required parameter: description"),
        ({"description": ""}, "Missing required parameter: description"),
        ({"duration": 31}, "Duration cannot exceed 30 seconds"),
        ({"duration": 30.01}, "Duration cannot exceed 30 seconds"),
        ({"duration": 0.9}, "Duration must be at least 1 second"),
        ({"duration": "soon"}, "Invalid duration. Must be a number of seconds from 1 to 30"),
        ({"model_size": "melody"}, "Invalid model_size. Must be 'small', 'medium', or 'large'"),
        ({"output_format": "flac"}, "Invalid output_format. Must be 'wav' or 'mp3'"),
        ({"seed": 1}, "Unknown parameter: seed"),
    ],
)
def test_a_bad_parameter_is_a_400_in_the_documents_words(open_door: Door, change: dict[str, Any], message: str) -> None:
    answer = open_door.http.post(PATH, json=BASIC | change)
    assert (answer.status_code, answer.json()) == (400, {"code": 400, "message": message})


def test_a_missing_body_misses_its_description_and_another_kind_is_a_400_too(open_door: Door) -> None:
    missing = {"code": 400, "message": "Missing required parameter: description"}
    for nothing in ({}, {"json": {}}, {"headers": {"Content-Type": "application/json"}}):
        answer = open_door.http.post(PATH, **nothing)
        assert (answer.status_code, answer.json()) == (400, missing)
    for wrong in (
        {"content": b"lo-fi"},
        {"json": ["lo-fi"]},
        {"content": b"{", "headers": {"Content-Type": "application/json"}},
    ):
        answer = open_door.http.post(PATH, **wrong)
        assert (answer.status_code, answer.json()["code"]) == (400, 400)
        assert answer.json()["message"].startswith("body: ")


def test_without_the_right_key_it_says_unauthorized(locked: Door) -> None:
    for headers in ({}, {"x-api-key": "wrong"}, {"x-api-key": ""}):
        for answer in (locked.http.post(PATH, json=BASIC, headers=headers), locked.http.get(PATH, headers=headers)):
            assert (answer.status_code, answer.json()) == (401, {"code": 401, "message": "Unauthorized"})


def test_with_a_key_the_audio_is_its_accounts_and_the_link_needs_no_key(locked: Door) -> None:
    envelope = locked.http.post(PATH, json=BASIC | {"duration": 1}, headers={"x-api-key": KEY}).json()
    assert envelope["code"] == 200, envelope
    link = envelope["response"]["output_url"]
    assert heard(httpx.get(link).content) == (1, 1.0, 32_000)
    bare = link.partition("?")[0]
    assert httpx.get(bare).status_code == 401
    assert httpx.get(bare, headers={"x-api-key": STRANGER}).status_code == 404
    assert httpx.get(bare, headers={"x-api-key": KEY}).status_code == 200


def test_a_full_queue_is_the_documents_429(full_line: Door) -> None:
    body = BASIC | {"model_size": "large", "id": "music-gen-123"}
    answer = full_line.http.post(PATH, json=body, headers={"x-api-key": KEY})
    told = answer.json()
    assert told.pop("pid") in full_line.pids()
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert told == {
        "code": 429,
        "id": "music-gen-123",
        "job_id": told["job_id"],
        "message": "MAX_QUEUE_LENGTH (100) reached",
        "queue_length": 100,
        "build_number": VERSION,
    }


def test_get_tells_how_the_endpoint_is_used(open_door: Door) -> None:
    def optional(kind: str, default: Any, words: str, **more: Any) -> dict[str, Any]:
        return {"type": kind, "required": False, "default": default, **more, "description": words}

    words = "Text description of the music to generate"
    assert open_door.http.get(PATH).json() == {
        "endpoint": PATH,
        "method": "POST",
        "description": "Generate music from text descriptions using Meta's MusicGen model",
        "parameters": {
            "description": {"type": "string", "required": True, "description": words},
            "duration": optional("integer", 8, "Duration in seconds (max 30)", max=30),
            "model_size": optional("string", "small", "Model size to use", options=["small", "medium", "large"]),
            "output_format": optional("string", "wav", "Output audio format", options=["wav", "mp3"]),
        },
        "examples": [
            {"description": BASIC["description"], "duration": 8, "model_size": "small"},
            {"description": "upbeat electronic dance music", "duration": 15, "model_size": "medium"},
        ],
    }


def test_health_tells_status_and_resources_and_needs_no_key(locked: Door) -> None:
    health = locked.http.get("/health").json()
    assert health["status"] == "healthy"
    assert {"cpu_count", "load", "memory_available_mb", "disk_free_mb"} <= health["system"].keys()
    assert health["queues"].keys() <= {"tiny", "medium", "large"}


def test_the_documents_variables_are_read_and_have_its_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "LOCAL_STORAGE_PATH": "/tmp",
        "S3_ENDPOINT_URL": "https://s3.example.com",
        "S3_BUCKET_NAME": "music",
        "S3_ACCESS_KEY": "access",
        "S3_SECRET_KEY": "secret",
    }
    for name in ("MAX_QUEUE_LENGTH", "GUNICORN_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert {name: str(getattr(settings, name.lower())) for name in given} == given
    assert (settings.max_queue_length, settings.gunicorn_timeout) == (100, 300.0)
    monkeypatch.setenv("MAX_QUEUE_LENGTH", "7")
    monkeypatch.setenv("GUNICORN_TIMEOUT", "60")
    assert (read_settings().max_queue_length, read_settings().gunicorn_timeout) == (7, 60.0)
