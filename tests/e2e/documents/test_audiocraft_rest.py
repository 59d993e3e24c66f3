"""Try each example of the AudioCraft tutorial on real parts: /generate, /generate-with-melody, /generate-async, /tasks.

Its browser client is client.js, in words of our own. AUDIOCRAFT_REST_CLIENT may name a file with the client as it was
printed: then that one is run too.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.version import VERSION
from tests.audio_fixtures import file_of, tone
from tests.e2e.documents.conftest import PAGE, STRANGER, Door, account_of, asked, heard, heard_base64
from tools.node import NODE

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

HERE = Path(__file__).parent
KEY = {"X-API-Key": "your-api-key-here"}
MELODY = {"melody": ("hum.wav", file_of(tone(330.0, 1.0), 32_000))}
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
ASYNC_EXAMPLE = {name: value for name, value in EXAMPLE.items() if name != "return_type"}
NAMES = ("prompt", "model", "duration", "temperature", "top_k", "top_p", "output_format")
DEFAULTS = ("tiny", 5.0, 1.0, 250, 0.0, "wav")
CLIENTS = [HERE / "client.js", *(Path(path) for path in [os.environ.get("AUDIOCRAFT_REST_CLIENT")] if path)]


def test_health_tells_status_version_and_loaded_models(open_door: Door) -> None:
    health = open_door.http.get("/health").json()
    assert (health["status"], health["version"], health["models_loaded"]) == ("healthy", VERSION, ["tiny"])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (EXAMPLE, (EXAMPLE["prompt"], "tiny", 10.0, 1.0, 250, 0.0, "mp3")),
        ({"prompt": "x"}, ("x", *DEFAULTS)),
        ({"prompt": "x", "model_size": "large", "output_format": "OGG"}, ("x", "tiny", 5.0, 1.0, 250, 0.0, "ogg")),
        ({"prompt": "x", "duration": "1", "temperature": "0.1", "top_k": "7", "top_p": "1"},
         ("x", "tiny", 1.0, 0.1, 7, 1.0, "wav")),
        ({"prompt": "x", "duration": 30, "temperature": 2.0}, ("x", "tiny", 30.0, 2.0, 250, 0.0, "wav")),
    ],
)  # fmt: skip
def test_each_request_reaches_the_workers_as_it_was_sent(
    open_door: Door, body: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    job, answer = open_door.overhear(lambda: open_door.http.post("/generate", json=body))
    assert tuple(asked(job.request, *NAMES).values()) == expected
    assert (answer.status_code, answer.json()) == (500, {"error": f"task {job.id} was cancelled"})


def test_a_link_is_answered_and_leads_to_an_attachment(open_door: Door) -> None:
    answer = open_door.http.post("/generate", json=EXAMPLE | {"duration": 1}, headers={"Origin": PAGE})
    made = answer.json()
    assert list(made) == ["success", "generation_time", "audio_url", "format", "sample_rate"]
    assert (made["success"], made["format"], made["sample_rate"]) == (True, "mp3", 32_000)
    assert made["generation_time"] > 0
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    audio = open_door.http.get(made["audio_url"])
    name = made["audio_url"].removeprefix("/audio/")
    assert name.endswith(".mp3")
    assert audio.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert heard(audio.content)[::2] == (1, 32_000)


def test_base64_holds_the_file_and_a_formats_case_does_not_matter(open_door: Door) -> None:
    body = {"prompt": "x", "duration": 1, "output_format": "Ogg", "return_type": "base64"}
    made = open_door.http.post("/generate", json=body).json()
    assert list(made) == ["success", "generation_time", "audio", "format", "sample_rate"]
    assert made["format"] == "Ogg"
    assert heard_base64(made["audio"]) == (1, 1.0, 32_000)


def test_a_melody_form_has_defaults_of_its_own(open_door: Door) -> None:
    form = {"prompt": EXAMPLE["prompt"]}
    job, _ = open_door.overhear(lambda: open_door.http.post("/generate-with-melody", data=form, files=MELODY))
    assert tuple(asked(job.request, *NAMES).values()) == (EXAMPLE["prompt"], "tiny", 10.0, 1.0, 250, 0.0, "wav")
    assert job.request.melody is not None
    assert job.request.melody.seconds == pytest.approx(1.0)


def test_a_melody_is_for_medium_unless_the_form_names_another(locked: Door) -> None:
    """Ask where nobody serves medium's melody sibling, and small is an alias of tiny, which takes melodies itself."""
    form = {"prompt": "x", "duration": "1", "temperature": "0.5", "output_format": "MP3"}
    answer = locked.http.post("/generate-with-melody", data=form, files=MELODY, headers=KEY)
    assert answer.status_code == 503
    assert answer.json()["error"].startswith("no worker serves the model 'melody' now; served: ")
    form["model_size"] = "small"
    answer = locked.http.post("/generate-with-melody", data=form, files=MELODY, headers=KEY)
    made = answer.json()
    assert answer.status_code == 200, made
    assert list(made) == ["success", "generation_time", "audio_url", "format", "sample_rate"]
    assert (made["success"], made["format"], made["sample_rate"]) == (True, "MP3", 32_000)
    job = locked.newest(account_of(KEY["X-API-Key"]))
    assert job is not None
    assert tuple(asked(job.request, *NAMES).values()) == ("x", "tiny", 1.0, 0.5, 250, 0.0, "mp3")
    assert heard(locked.http.get(made["audio_url"]).content)[::2] == (1, 32_000)


def test_a_form_without_a_melody_says_so(open_door: Door) -> None:
    told = {"error": "No melody file provided"}
    for sent in ({"data": {"prompt": "x"}}, {"files": {"prompt": (None, "x")}}, {}):
        answer = open_door.http.post("/generate-with-melody", **sent)
        assert (answer.status_code, answer.json()) == (400, told)


@pytest.mark.parametrize(("body", "expected"), [
    (ASYNC_EXAMPLE, (EXAMPLE["prompt"], "tiny", 10.0, 1.0, 250, 0.0, "mp3")),
    ({"prompt": "x"}, ("x", *DEFAULTS)),
])  # fmt: skip
def test_an_asynchronous_task_that_is_cancelled_reads_failed(
    open_door: Door, body: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    answer = open_door.http.post("/generate-async", json=body)
    accepted = answer.json()
    assert (answer.status_code, list(accepted), accepted["status"]) == (200, ["task_id", "status"], "processing")
    path = f"/tasks/{accepted['task_id']}"
    assert tuple(asked(open_door.recorded(accepted["task_id"]).request, *NAMES).values()) == expected
    told = open_door.http.get(path).json()
    assert (told["status"], told["total"] >= 1) == ("processing", True)
    assert 0 <= told["current"] <= told["total"]
    open_door.http.delete(path)
    told = open_door.http.get(path).json()
    assert (told["status"], told["error"]) == ("failed", "the task was cancelled")


def test_an_asynchronous_task_is_polled_to_its_result(open_door: Door) -> None:
    accepted = open_door.http.post("/generate-async", json=ASYNC_EXAMPLE | {"duration": 1}).json()
    task = open_door.ended(f"/tasks/{accepted['task_id']}", lambda told: told["status"] == "processing")
    assert task["status"] == "completed", task
    result = task["result"]
    assert (result["success"], result["format"], result["sample_rate"]) == (True, "mp3", 32_000)
    assert task["audio_url"] == f"/audio/{result['filename']}"
    assert heard(open_door.http.get(task["audio_url"]).content)[::2] == (1, 32_000)


@pytest.mark.parametrize("path", ["/generate", "/generate-async"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": ""}, "Prompt is required"),
        ({"model_size": "huge"}, "Invalid model size"),
        ({"duration": 0.9}, "Duration must be between 1 and 30 seconds"),
        ({"duration": 30.1}, "Duration must be between 1 and 30 seconds"),
        ({"temperature": 0.05}, "Temperature must be between 0.1 and 2.0"),
        ({"temperature": 2.1}, "Temperature must be between 0.1 and 2.0"),
        ({"top_k": -1}, "top_k must be a whole number, 0 or more"),
        ({"top_p": 1.1}, "top_p must be between 0 and 1"),
        ({"output_format": "m4a"}, "Invalid output format. Use wav, mp3 or ogg"),
    ],
)
def test_bad_fields_get_the_documents_words(open_door: Door, path: str, change: dict[str, Any], words: str) -> None:
    answer = open_door.http.post(path, json=ASYNC_EXAMPLE | change)
    assert (answer.status_code, answer.json()) == (400, {"error": words})


def test_an_empty_body_misses_its_prompt_and_a_return_type_is_one_of_two(open_door: Door) -> None:
    for path in ("/generate", "/generate-async"):
        answer = open_door.http.post(path)
        assert (answer.status_code, answer.json()) == (400, {"error": "Prompt is required"})
    answer = open_door.http.post("/generate", json=EXAMPLE | {"return_type": "file"})
    assert (answer.status_code, answer.json()) == (400, {"error": "Invalid return type. Use url or base64"})


def test_what_is_not_there_is_a_404(open_door: Door) -> None:
    answer = open_door.http.get("/audio/a1b2c3d4-e5f6-7890-abcd-ef1234567890.mp3")
    assert (answer.status_code, list(answer.json())) == (404, ["error"])
    answer = open_door.http.get("/tasks/a1b2c3d4-e5f6-7890-abcd-ef1234567890")
    assert (answer.status_code, answer.json()["status"]) == (404, "failed"), "never processing"


def test_without_the_right_key_it_says_so(locked: Door) -> None:
    told = {"error": "Invalid or missing API key"}
    for headers in ({}, {"X-API-Key": "wrong"}):
        for path in ("/generate", "/generate-async", "/generate-with-melody"):
            answer = locked.http.post(path, json=ASYNC_EXAMPLE, headers=headers)
            assert (answer.status_code, answer.json()) == (401, told)
        answer = locked.http.get("/audio/x.wav", headers=headers)
        assert (answer.status_code, answer.json()) == (401, told)


def test_a_full_queue_is_a_429_that_names_its_length(full_line: Door) -> None:
    for path in ("/generate", "/generate-async"):
        answer = full_line.http.post(path, json=ASYNC_EXAMPLE | {"model_size": "large"}, headers=KEY)
        assert answer.status_code == 429
        assert answer.json()["error"].startswith("MAX_QUEUE_LENGTH (100) reached")


@pytest.mark.parametrize("client", CLIENTS, ids=lambda path: path.name)
def test_the_browser_client_works_with_a_key(locked: Door, client: Path) -> None:
    command = [str(NODE), str(HERE / "page.js"), str(client), locked.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as page:
        assert page.stdout is not None
        told = json.loads(page.stdout.readline() or "null")
        assert told is not None, locked.stack.logs()
        _refuse_what_nobody_sings(locked)
        refused = json.loads(page.stdout.readline())["refused"]
    assert told["player"]["id"] == "audioPlayer"
    link = told["player"]["src"]
    assert link.startswith("/audio/")
    played = httpx.get(f"{locked.url}{link}")  # an audio element sends no key
    assert played.headers["Content-Type"] == "audio/mpeg"
    channels, seconds, rate_hz = heard(played.content)
    assert (channels, rate_hz) == (1, 32_000)
    assert seconds == pytest.approx(5.0, abs=0.1)
    assert locked.http.get(link.partition("?")[0], headers={"X-API-Key": STRANGER}).status_code == 404
    assert told["task"]["status"] == "completed"
    assert heard(httpx.get(f"{locked.url}{told['task']['audio_url']}").content) == (1, 1.0, 32_000)
    assert refused == "the task was cancelled"


def _refuse_what_nobody_sings(door: Door) -> None:
    def waiting() -> str | None:
        job = door.newest(account_of(KEY["X-API-Key"]))
        return job.id if job is not None and job.model == "medium" else None

    door.stack.wait_for(waiting, "the client's last task")
    assert door.http.delete(f"/tasks/{waiting()}", headers=KEY).status_code == 200
