"""Try each example of the Music Gen AI reference on real parts: /api/v1 and its WebSocket."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.e2e.documents.conftest import STRANGER, Door, asked, bearer, heard

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

BASE = "/api/v1"
KEY = "YOUR_KEY"
EXAMPLE = {"prompt": "Upbeat jazz piano", "duration": 30.0, "temperature": 0.8, "top_k": 50, "top_p": 0.9}
NAMES = ("prompt", "duration", "temperature", "top_k", "top_p")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (EXAMPLE, ("Upbeat jazz piano", 30.0, 0.8, 50, 0.9)),
        ({"prompt": "Jazz piano", "duration": 30}, ("Jazz piano", 30.0, 1.0, 250, 0.0)),
        ({"prompt": "Calm piano melody"}, ("Calm piano melody", 30.0, 1.0, 250, 0.0)),
    ],
)
def test_each_example_is_accepted_and_reaches_the_workers(
    open_door: Door, body: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    answer = open_door.http.post(f"{BASE}/generate", json=body)
    accepted = answer.json()
    path = f"{BASE}/generate/{accepted['task_id']}"
    assert answer.status_code == 202
    assert list(accepted) == ["task_id", "status", "eta"]
    assert accepted["status"] == "processing"
    assert accepted["eta"] is None or (isinstance(accepted["eta"], int) and accepted["eta"] >= 0)
    assert tuple(asked(open_door.recorded(accepted["task_id"]).request, *NAMES).values()) == expected
    told = open_door.http.get(path).json()
    assert list(told)[:3] == ["task_id", "status", "eta"]
    assert (told["task_id"], told["status"]) == (accepted["task_id"], "processing")
    open_door.http.delete(f"/tasks/{accepted['task_id']}")
    assert open_door.http.get(path).json()["status"] == "cancelled"


def test_a_task_is_polled_to_its_audio_and_the_time_left_is_told(open_door: Door) -> None:
    open_door.stack.finish(open_door.stack.submit())  # so that the pace is known
    accepted = open_door.http.post(f"{BASE}/generate", json=EXAMPLE | {"duration": 1}).json()
    assert isinstance(accepted["eta"], int)
    task = open_door.ended(f"{BASE}/generate/{accepted['task_id']}", lambda told: told["status"] == "processing")
    assert list(task) == ["task_id", "status", "audio_url", "duration", "metadata"]
    assert (task["task_id"], task["status"], task["duration"]) == (accepted["task_id"], "completed", 1.0)
    assert task["audio_url"].startswith(open_door.url)
    audio = httpx.get(task["audio_url"]).content
    assert heard(audio) == (1, 1.0, 32_000)
    metadata = task["metadata"]
    assert (metadata["model"], metadata["prompt"], metadata["bytes"]) == ("tiny", EXAMPLE["prompt"], len(audio))


def test_the_batch_example_makes_a_task_of_each_request(open_door: Door) -> None:
    wanted = [{"prompt": "Piano melody", "duration": 15}, {"prompt": "Guitar solo", "duration": 20}]
    answer = open_door.http.post(f"{BASE}/generate/batch", json={"requests": wanted})
    accepted = answer.json()
    assert (answer.status_code, accepted["status"], len(accepted["tasks"])) == (202, "processing", 2)
    for request, task in zip(wanted, accepted["tasks"], strict=True):
        assert asked(open_door.recorded(task["task_id"]).request, "prompt", "duration") == request
        assert list(task) == ["task_id", "status", "eta"]
    open_door.http.delete(f"/tasks/batch/{accepted['batch_id']}")
    for path in (f"{BASE}/generate/{accepted['task_id']}", f"{BASE}/generate/batch/{accepted['batch_id']}"):
        assert open_door.http.get(path).json()["status"] == "cancelled"


def test_a_batch_is_polled_to_its_audio(open_door: Door) -> None:
    wanted = [{"prompt": "Piano melody", "duration": 1}, {"prompt": "Guitar solo", "duration": 1}]
    accepted = open_door.http.post(f"{BASE}/generate/batch", json={"requests": wanted}).json()
    batch = open_door.ended(f"{BASE}/generate/{accepted['task_id']}", lambda told: told["status"] == "processing")
    assert batch["status"] == "completed", batch
    assert [task["metadata"]["prompt"] for task in batch["tasks"]] == ["Piano melody", "Guitar solo"]
    assert [heard(httpx.get(task["audio_url"]).content) for task in batch["tasks"]] == [(1, 1.0, 32_000)] * 2


def test_an_empty_prompt_gets_the_documents_error(open_door: Door) -> None:
    told = {"error": {"code": "INVALID_PROMPT", "message": "Prompt cannot be empty", "details": {}}}
    for sent in ({"json": {"prompt": ""}}, {"json": {"prompt": " ", "duration": 15}}, {"json": {}}, {}):
        answer = open_door.http.post(f"{BASE}/generate", **sent)
        assert (answer.status_code, answer.json()) == (400, told)


@pytest.mark.parametrize("change", [{"duration": 241}, {"temperature": 2.1}, {"top_k": -1}, {"top_p": 1.1}, {"key": 1}])
def test_a_bad_field_is_named_in_the_documents_shape(open_door: Door, change: dict[str, Any]) -> None:
    answer = open_door.http.post(f"{BASE}/generate", json=EXAMPLE | change)
    assert answer.status_code == 400
    assert list(answer.json()["error"]) == ["code", "message", "details"]
    assert next(iter(change)) in answer.json()["error"]["message"]


def test_models_have_a_name_a_size_and_a_quality(open_door: Door) -> None:
    models = {model["name"]: model for model in open_door.http.get(f"{BASE}/models").json()["models"]}
    small = models["musicgen-small"]
    assert (small["size"], small["quality"], small["available"]) == ("300M", "good", False)
    assert models["tiny"]["available"] is True


def test_health_needs_no_key(locked: Door) -> None:
    answer = locked.http.get(f"{BASE}/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "healthy")


def test_the_multi_instrument_example_becomes_a_task_for_each_instrument_and_their_mix(open_door: Door) -> None:
    band = {"piano": "Jazz piano comping", "bass": "Walking bass line", "drums": "Swing pattern"}
    body = {"instruments": band, "duration": 60.0, "mix_preset": "jazz_club"}
    answer = open_door.http.post(f"{BASE}/multi-instrument", json=body)
    assert answer.status_code == 202
    assert list(answer.json()) == ["task_id", "status", "eta"]
    mix = open_door.recorded(answer.json()["task_id"])
    assert mix.composition is not None
    assert mix.composition.mix_preset == "jazz_club"
    jobs = {part.name: open_door.recorded(part.task_id).request for part in mix.composition.parts}
    assert [(name, job.prompt.startswith(prompt), job.duration_s) for (name, job), prompt in
            zip(jobs.items(), band.values(), strict=True)] == [(name, True, 60.0) for name in band]  # fmt: skip
    open_door.http.delete(f"/tasks/{mix.id}")
    assert open_door.http.get(f"{BASE}/generate/{mix.id}").json()["status"] == "cancelled"


@pytest.mark.parametrize("path", [f"{BASE}/ws/stream", "/ws/stream"])
def test_the_websocket_answers_its_message_with_audio_chunks(open_door: Door, path: str) -> None:
    with connect(open_door.url.replace("http://", "ws://") + path, proxy=None, max_size=None) as socket:
        socket.send(json.dumps({"type": "generate", "prompt": "Ambient music", "stream": True}))
        task_id = json.loads(socket.recv())["task_id"]
        while (chunk := json.loads(socket.recv(timeout=60)))["type"] != "audio_chunk":
            assert chunk["type"] == "progress"
    assert len(base64.b64decode(chunk["data"], validate=True)) == 2 * chunk["samples"]
    assert abs(chunk["timestamp"] - time.time()) < 10
    assert open_door.recorded(task_id).request.prompt == "Ambient music"
    open_door.stack.wait_for(lambda: open_door.recorded(task_id).status.ended, "its end: nobody listens any more")


def test_the_curl_examples_base_address_is_the_one_with_the_version(open_door: Door, locked: Door) -> None:
    """Ask its host alone too: without /api/v1 it is AudioCraft's /generate, which takes that body and waits."""
    body = {"prompt": "Jazz piano", "duration": 30}
    answer = locked.http.post(f"{BASE}/generate", json=body, headers=bearer(KEY))
    assert answer.status_code == 202
    locked.http.delete(f"/tasks/{answer.json()['task_id']}", headers=bearer(KEY))
    job, answer = open_door.overhear(lambda: open_door.http.post("/generate", json=body))
    assert asked(job.request, "prompt", "duration") == body
    assert list(answer.json()) == ["error"]


def test_without_the_right_key_it_is_a_401_in_the_documents_shape(locked: Door) -> None:
    for headers in ({}, bearer("wrong"), {"Authorization": "Bearer"}):
        for answer in (
            locked.http.post(f"{BASE}/generate", json=EXAMPLE, headers=headers),
            locked.http.get(f"{BASE}/models", headers=headers),
        ):
            assert answer.status_code == 401
            assert list(answer.json()["error"]) == ["code", "message", "details"]
            assert answer.json()["error"]["code"] == "UNAUTHORIZED"


def test_a_bearer_key_is_served_within_100_a_minute_and_another_accounts_task_is_404(locked: Door) -> None:
    answer = locked.http.post(f"{BASE}/generate", json=EXAMPLE | {"model": "medium"}, headers=bearer(KEY))
    assert answer.status_code == 202, answer.text
    assert answer.headers["RateLimit-Limit"] == "100"
    path = f"{BASE}/generate/{answer.json()['task_id']}"
    assert locked.http.get(path, headers=bearer(KEY)).json()["status"] == "processing"
    other = locked.http.get(path, headers=bearer(STRANGER))
    assert (other.status_code, other.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert locked.http.delete(f"/tasks/{answer.json()['task_id']}", headers=bearer(STRANGER)).status_code == 404
    assert locked.http.delete(f"/tasks/{answer.json()['task_id']}", headers=bearer(KEY)).status_code == 200


def test_a_full_queue_is_a_429_that_names_its_length(full_line: Door) -> None:
    answer = full_line.http.post(f"{BASE}/generate", json=EXAMPLE | {"model": "large"}, headers=bearer(KEY))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (429, "QUEUE_FULL")
    assert error["message"].startswith("MAX_QUEUE_LENGTH (100) reached")
    assert (error["details"]["queue_length"], error["details"]["max_queue_length"]) == (100, 100)
