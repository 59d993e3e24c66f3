"""Try each example of the ACE-Step document on real parts, and RunPod's own Python SDK as a client."""

from __future__ import annotations

import asyncio
import base64
import io
import time
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
import requests
import soundfile

from tests.e2e.documents.conftest import ENDPOINT, STRANGER, Door, asked, bearer, heard_base64

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

BASE = f"/v2/{ENDPOINT}"
KEY = "YOUR_API_KEY"
BASIC = {
    "prompt": "upbeat electronic dance music",
    "duration": 30.0,
    "guidance_scale": 8.0,
    "num_inference_steps": 20,
    "seed": 42,
}
PEACEFUL = {
    "prompt": "peaceful piano melody with nature sounds",
    "duration": 20.0,
    "guidance_scale": 7.5,
    "num_inference_steps": 25,
    "seed": 12345,
}
BATCH = (
    "happy pop song with upbeat rhythm",
    "dark electronic ambient soundscape",
    "classical piano piece in minor key",
)
NAMES = ("prompt", "duration", "guidance_scale", "seed", "model")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (BASIC, (BASIC["prompt"], 30.0, 8.0, 42, "tiny")),
        (PEACEFUL, (PEACEFUL["prompt"], 20.0, 7.5, 12345, "tiny")),
        *(
            ({"prompt": prompt, "duration": 15.0, "seed": 1000 + number}, (prompt, 15.0, 8.0, 1000 + number, "tiny"))
            for number, prompt in enumerate(BATCH)
        ),
        ({"prompt": "x", "duration": 1.0, "guidance_scale": 1.0}, ("x", 1.0, 1.0, "drawn", "tiny")),
        ({"prompt": "x", "guidance_scale": 20.0, "num_inference_steps": 100}, ("x", 30.0, 20.0, "drawn", "tiny")),
    ],
)
def test_each_example_reaches_the_workers_as_it_was_sent(
    open_door: Door, wanted: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    answer = open_door.http.post(f"{BASE}/run", json={"input": wanted})
    accepted = answer.json()
    assert (answer.status_code, list(accepted), accepted["status"]) == (200, ["id", "status"], "IN_QUEUE")
    request = open_door.recorded(accepted["id"]).request
    drawn = tuple(asked(request, *NAMES).values())
    assert drawn == tuple(request.seed if value == "drawn" else value for value in expected)
    cancelled = open_door.http.post(f"{BASE}/cancel/{accepted['id']}").json()
    assert (cancelled["id"], cancelled["status"]) == (accepted["id"], "CANCELLED")
    assert open_door.http.get(f"{BASE}/status/{accepted['id']}").json()["status"] == "CANCELLED"


def test_the_python_example_gets_its_audio(locked: Door) -> None:
    payload = {"input": PEACEFUL | {"duration": 1.0}}
    headers = bearer(KEY) | {"Content-Type": "application/json"}
    response = requests.post(f"{locked.url}{BASE}/runsync", json=payload, headers=headers, timeout=180)
    result = response.json()
    assert (response.status_code, result["status"], result["workerId"]) == (200, "COMPLETED", "singer")
    output = result["output"]
    assert (output["prompt"], output["seed"], output["success"]) == (PEACEFUL["prompt"], 12345, True)
    assert output["generation_time"] > 0
    assert heard_base64(output["audio_base64"]) == (1, output["duration"], output["sample_rate"]) == (1, 1.0, 32_000)
    info = soundfile.info(io.BytesIO(base64.b64decode(output["audio_base64"])))
    assert (info.format, info.subtype) == ("WAV", "PCM_16")
    assert any("num_inference_steps=25" in warning for warning in output["warnings"])
    job = locked.recorded(result["id"])
    assert result["delayTime"] == round(1000 * job.queue_time_s(0.0))
    assert result["executionTime"] == round(1000 * (job.run_time_s(0.0) or 0))
    other = locked.http.get(f"{BASE}/status/{job.id}", headers=bearer(STRANGER))
    assert (other.status_code, list(other.json())) == (404, ["error"])


def test_the_same_seed_gives_the_same_audio(open_door: Door) -> None:
    wanted = {"prompt": BATCH[0], "duration": 1.0, "seed": 1000}
    first, again = (open_door.http.post(f"{BASE}/runsync", json={"input": wanted}).json() for _ in range(2))
    assert first["id"] != again["id"]
    assert first["output"]["audio_base64"] == again["output"]["audio_base64"]
    assert first["output"]["warnings"] == [
        f"the endpoint {ENDPOINT} is served by the model tiny here",
        "the audio is 32 kHz mono, as the model makes it, not 48 kHz stereo",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": ""}, "Invalid prompt: provide a descriptive text prompt"),
        ({"duration": 0.5}, "Parameter out of range: duration must be a number from 1.0 to 240.0 (got 0.5)"),
        ({"duration": 240.5}, "Parameter out of range: duration must be a number from 1.0 to 240.0 (got 240.5)"),
        ({"guidance_scale": 0.5}, "Parameter out of range: guidance_scale must be a number from 1.0 to 20.0 (got 0.5)"),
        (
            {"guidance_scale": 20.5},
            "Parameter out of range: guidance_scale must be a number from 1.0 to 20.0",
        ),
        (
            {"num_inference_steps": 9},
            "Parameter out of range: num_inference_steps must be a whole number from 10 to 100",
        ),
        ({"num_inference_steps": 101}, "Parameter out of range: num_inference_steps must be a whole number from 10"),
        ({"seed": "lucky"}, "Parameter out of range: seed must be a whole number from 0 up"),
        ({"negative_prompt": "x"}, "Unknown parameter: negative_prompt"),
    ],
)
def test_bad_input_is_a_job_that_failed(open_door: Door, change: dict[str, Any], words: str) -> None:
    for route in ("runsync", "run"):
        answer = open_door.http.post(f"{BASE}/{route}", json={"input": BASIC | change})
        told = answer.json()
        assert (answer.status_code, list(told), told["status"]) == (200, ["id", "status", "error"], "FAILED")
        assert told["error"].startswith(words)
        assert open_door.http.get(f"{BASE}/status/{told['id']}").json() == told
        assert open_door.http.get(f"{BASE}/stream/{told['id']}").json()["stream"] == []


def test_a_body_without_input_is_a_400_and_an_unknown_endpoint_a_404(open_door: Door) -> None:
    for sent in ({}, {"json": {}}, {"json": {"input": None}}, {"json": {"prompt": "x"}}):
        answer = open_door.http.post(f"{BASE}/run", **sent)
        assert (answer.status_code, list(answer.json())) == (400, ["error"])
    answer = open_door.http.post(f"{BASE}/run", json={"input": BASIC, "policy": "fast"})
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    answer = open_door.http.post("/v2/another-endpoint/runsync", json={"input": BASIC})
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_without_the_right_key_it_is_a_401(locked: Door) -> None:
    for headers in ({}, bearer("wrong")):
        answer = locked.http.post(f"{BASE}/runsync", json={"input": BASIC}, headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})


def test_a_full_queue_is_a_429_that_names_its_length(full_line: Door) -> None:
    for route in ("run", "runsync"):
        answer = full_line.http.post(f"/v2/large/{route}", json={"input": BASIC}, headers=bearer(KEY))
        assert answer.status_code == 429
        assert answer.json()["error"].startswith("Rate limit: MAX_QUEUE_LENGTH (100) reached")


def test_a_wait_that_is_over_leaves_the_job_in_line(locked: Door) -> None:
    """Wait for medium, which no worker serves here."""
    since = time.monotonic()
    answer = locked.http.post("/v2/medium/runsync?wait=1000", json={"input": BASIC}, headers=bearer(KEY)).json()
    assert (list(answer), answer["status"]) == (["id", "status"], "IN_QUEUE")
    assert 1.0 <= time.monotonic() - since < 3.0
    cancelled = locked.http.post(f"/v2/medium/cancel/{answer['id']}", headers=bearer(KEY)).json()
    assert cancelled["status"] == "CANCELLED"
    again = locked.http.post(f"/v2/medium/retry/{answer['id']}", headers=bearer(KEY)).json()
    assert (again["id"] != answer["id"], again["status"]) == (True, "IN_QUEUE")
    assert locked.recorded(again["id"]).request == locked.recorded(answer["id"]).request
    locked.http.post(f"/v2/medium/cancel/{again['id']}", headers=bearer(KEY))


# RunPod's own SDK


@pytest.fixture
def sdk(locked: Door, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """Return the SDK, led to the server by the variable that a user would set; without a user's own credentials."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", f"{locked.url}/v2")
    runpod = import_module("runpod")  # it reads the variable when it is imported first
    assert runpod.endpoint_url_base == f"{locked.url}/v2"
    return runpod


def test_the_sdk_runs_a_job_reads_its_state_its_output_and_its_stream(sdk: ModuleType) -> None:
    endpoint = sdk.Endpoint(ENDPOINT, api_key=KEY)
    job = endpoint.run({"prompt": BATCH[1], "duration": 1.0, "seed": 1001})
    assert job.status() in ("IN_QUEUE", "IN_PROGRESS", "COMPLETED")
    output = job.output(timeout=60)
    assert job.status() == "COMPLETED"
    assert (output["success"], output["seed"], heard_base64(output["audio_base64"])) == (True, 1001, (1, 1.0, 32_000))
    assert list(job.stream()) == [output], "and the reading ends"
    assert list(job.stream()) == []


def test_the_sdk_waits_for_a_job(sdk: ModuleType) -> None:
    output = sdk.Endpoint(ENDPOINT, api_key=KEY).run_sync({"input": {"prompt": BATCH[2], "duration": 1.0}}, timeout=60)
    assert heard_base64(output["audio_base64"]) == (1, 1.0, 32_000)


def test_the_sdk_cancels_purges_and_reads_the_health(sdk: ModuleType, locked: Door) -> None:
    medium = sdk.Endpoint("medium", api_key=KEY)
    idle = medium.health()
    assert idle["workers"] == {"idle": 0, "running": 0}
    jobs = [medium.run({"prompt": prompt}) for prompt in BATCH]
    assert [job.status() for job in jobs] == ["IN_QUEUE"] * 3
    assert medium.health()["jobs"]["inQueue"] == idle["jobs"]["inQueue"] + 3
    assert jobs[0].cancel()["status"] == "CANCELLED"
    assert jobs[0].status() == "CANCELLED"
    assert medium.purge_queue() == {"removed": 2, "status": "completed"}
    assert [job.status() for job in jobs] == ["CANCELLED"] * 3
    told = sdk.Endpoint(ENDPOINT, api_key=KEY).health()
    assert told["workers"] == {"idle": 1, "running": 0}
    assert told["jobs"].keys() == {"completed", "failed", "inProgress", "inQueue", "retried"}
    assert told["jobs"]["completed"] > 0


def test_the_sdk_says_when_the_key_is_wrong_and_reads_a_failed_job(sdk: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="401 Unauthorized"):
        sdk.Endpoint(ENDPOINT, api_key="wrong").run({"prompt": "x"})
    job = sdk.Endpoint(ENDPOINT, api_key=KEY).run({"prompt": "x", "duration": 500})
    assert (job.status(), job.output()) == ("FAILED", None)
    assert list(job.stream()) == []


def test_the_sdks_asynchronous_client_works_too(sdk: ModuleType) -> None:
    async def make() -> tuple[Any, list[Any], Any, Any]:
        async with sdk.http_client.AsyncClientSession() as session:
            endpoint = sdk.AsyncioEndpoint(ENDPOINT, session, api_key=KEY)
            job = await endpoint.run({"prompt": BATCH[1], "duration": 1.0, "seed": 1001})
            output = await job.output(timeout=60)
            stream = [chunk async for chunk in job.stream()]
            medium = sdk.AsyncioEndpoint("medium", session, api_key=KEY)
            await medium.run({"prompt": "x"})
            return output, stream, await medium.purge_queue(), await endpoint.health()

    output, stream, purged, health = asyncio.run(make())
    assert heard_base64(output["audio_base64"]) == (1, 1.0, 32_000)
    assert stream == [output]
    assert purged == {"removed": 1, "status": "completed"}
    assert health["workers"]["idle"] == 1
