"""Try /v2/<endpoint> by each example of the ACE-Step serverless document, in RunPod's protocol."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.keys import Allowance, Keys
from shared.errors import AttemptError, Expired, TimedOut
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.api.dialects.conftest import FAILING_PROMPT, Player, await_end
from tests.audio_fixtures import data_uri, file_of, tone

ENDPOINT = "/v2/9eb182ubs5j0jf"
BASIC = {
    "prompt": "upbeat electronic dance music",
    "duration": 30.0,
    "guidance_scale": 8.0,
    "num_inference_steps": 20,
    "seed": 42,
}
SERVED_BY = "the endpoint 9eb182ubs5j0jf is served by the model tiny here"
MONO = "the audio is 32 kHz mono, as the model makes it, not 48 kHz stereo"


def ended(api: FlaskClient, task_id: str) -> dict[str, Any]:
    return await_end(api, f"{ENDPOINT}/status/{task_id}", "IN_QUEUE", "IN_PROGRESS")


def test_the_basic_request_runs_to_its_output(api: FlaskClient) -> None:
    answer = api.post(f"{ENDPOINT}/runsync", json={"input": BASIC})
    assert answer.status_code == 200
    job = answer.json
    assert job is not None
    assert job["status"] == "COMPLETED"
    assert job["workerId"] == "w1"
    assert job["delayTime"] >= 0
    assert job["executionTime"] >= 0
    output = job["output"]
    assert base64.b64decode(output["audio_base64"])[:4] == b"RIFF"
    assert (output["prompt"], output["duration"], output["seed"]) == (BASIC["prompt"], 30.0, 42)
    assert (output["sample_rate"], output["success"]) == (32000, True)
    assert output["generation_time"] > 0
    assert any("num_inference_steps=20" in warning for warning in output["warnings"])


def test_the_input_may_have_a_melody_and_audio_to_go_on_from(api: FlaskClient, player: Player) -> None:
    hum, song = data_uri(file_of(tone(seconds=1.0), 32_000)), data_uri(file_of(tone(seconds=2.0), 32_000))
    wanted = {"prompt": "x", "duration": 4, "melody": hum, "continue_audio": song, "continue_seconds": 1}
    output = api.post(f"{ENDPOINT}/runsync", json={"input": wanted}).json["output"]
    assert (output["success"], output["melody_seconds"]) == (True, 1.0)
    asked = player.seen[-1].request
    assert asked.melody is not None
    assert asked.continue_from is not None
    assert (asked.continue_from.seconds, asked.continue_from.heard_s) == (1.0, 2.0)


def test_a_melody_for_a_model_that_hears_none_goes_to_its_sibling_whose_name_the_output_tells(
    client: redis.Redis, make_settings: Callable[..., Settings], finish: Callable[[Job, bytes], Job]
) -> None:
    settings = make_settings()
    for name in ("small", "melody"):
        WorkerRegistry(client, settings).announce(replace(TINY, worker=name, model=name, melody=name == "melody"))
    api = create_app(settings).test_client()
    hum = data_uri(file_of(tone(seconds=1.0), 32_000))
    made = api.post("/v2/small/run", json={"input": {"prompt": "x", "duration": 1, "melody": hum}}).json
    job = JobStore(client, settings).claim("melody", "melody")
    assert job is not None
    finish(job, b"music")
    output = api.get(f"/v2/small/status/{made['id']}").json["output"]
    assert "the endpoint small is served by the model melody here" in output["warnings"]


def test_what_is_left_out_has_the_documents_defaults(api: FlaskClient, player: Player) -> None:
    output = api.post(f"{ENDPOINT}/runsync", json={"input": {"prompt": "x"}}).json["output"]
    asked = player.seen[-1].request
    assert (asked.duration_s, asked.guidance_scale) == (30.0, 8.0)
    assert output["warnings"] == [SERVED_BY, MONO], "no step count was asked for"
    assert isinstance(output["seed"], int)


def test_a_model_that_cannot_make_30_seconds_makes_its_longest(
    api: FlaskClient, client: redis.Redis, dialect_settings: Settings
) -> None:
    WorkerRegistry(client, dialect_settings).announce(replace(TINY, worker="w2", model="jingles", max_duration_s=12.0))
    api.get("/health/ready")  # reads the live workers anew
    task_id = api.post("/v2/jingles/run", json={"input": {"prompt": "x"}}).json["id"]
    assert JobStore(client, dialect_settings).reader.get(task_id).request.duration_s == 12.0
    told = api.post("/v2/jingles/run", json={"input": {"prompt": "x", "duration": 30}}).json
    assert told is not None
    assert (told["status"], "0.5 to 12 seconds" in told["error"]) == ("FAILED", True)


def test_an_asynchronous_job_is_asked_for_until_its_end(api: FlaskClient) -> None:
    accepted = api.post(f"{ENDPOINT}/run", json={"input": {"prompt": "x", "duration": 1}}).json
    assert accepted is not None
    assert accepted["status"] == "IN_QUEUE"
    job = ended(api, accepted["id"])
    assert job["status"] == "COMPLETED"
    assert job["id"] == accepted["id"]
    stream = api.get(f"{ENDPOINT}/stream/{accepted['id']}").json
    assert stream is not None
    assert stream["stream"][0]["output"]["success"] is True
    assert (api.get(f"{ENDPOINT}/stream/{accepted['id']}").json or {})["stream"] == [], "each chunk once"


def test_an_answer_from_a_kept_result_names_the_worker_that_made_it(api: FlaskClient) -> None:
    made, kept = (api.post(f"{ENDPOINT}/runsync", json={"input": BASIC | {"duration": 1}}).json for _ in range(2))
    assert made is not None
    assert kept is not None
    assert kept["id"] != made["id"]
    assert kept["workerId"] == made["workerId"] == "w1"
    assert kept["output"] == made["output"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": ""}, "Invalid prompt"),
        ({"duration": 0.5}, "Parameter out of range: duration"),
        ({"duration": 241}, "Parameter out of range: duration"),
        ({"guidance_scale": 0.9}, "Parameter out of range: guidance_scale"),
        ({"num_inference_steps": 101}, "Parameter out of range: num_inference_steps"),
        ({"seed": -1}, "Parameter out of range: seed"),
        ({"lyrics": "la"}, "Unknown parameter: lyrics"),
    ],
)
@pytest.mark.parametrize("route", ["run", "runsync"])
def test_bad_input_is_a_failed_job_that_can_be_asked_for(
    api: FlaskClient, route: str, change: dict[str, Any], words: str
) -> None:
    answer = api.post(f"{ENDPOINT}/{route}", json={"input": BASIC | change})
    job = answer.json
    assert answer.status_code == 200
    assert job is not None
    assert job["status"] == "FAILED"
    assert job["error"].startswith(words)
    assert api.get(f"{ENDPOINT}/status/{job['id']}").json == job


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"input": None}, {"input": "text"}, {"input": BASIC, "s3Config": {}}, {"input": BASIC, "policy": "x"}),
        *({"input": BASIC, "policy": policy} for policy in ({"ttl": 5}, {"lowPriority": "maybe"}, {"speed": 2})),
    ],
)
def test_a_body_without_input_or_with_more_is_a_400(api: FlaskClient, body: dict[str, Any]) -> None:
    answer = api.post(f"{ENDPOINT}/run", json=body)
    assert answer.status_code == 400
    assert "error" in (answer.json or {})


def test_an_unknown_endpoint_and_an_unknown_job_are_404(api: FlaskClient) -> None:
    assert api.post("/v2/nothing/run", json={"input": BASIC}).status_code == 404
    assert api.get(f"{ENDPOINT}/status/nothing").status_code == 404


@pytest.mark.parametrize(
    ("endpoint", "model"),
    [
        ("9eb182ubs5j0jf", "tiny"),
        ("abcdefghijklmn", "tiny"),
        ("00000000000000", "tiny"),
        ("named-by-hand", "small"),
        ("tiny", "tiny"),
        ("musicgen-tiny", "tiny"),
        *((name, None) for name in ("nothing", "huge", "musicgenxlarge", "stereotiny1234", "9EB182UBS5J0JF")),
        *((name, None) for name in ("magnetmedium10", "metaaimedium15", "mysmallmodel12")),
        *((name, None) for name in ("9eb182ubs5j0j", "9eb182ubs5j0jf0", "*", "9eb182ubs5j0j%C3%A9", "lost-by-hand")),
    ],
)
def test_where_any_endpoint_is_taken_it_has_runpods_form_and_is_no_models_name(
    make_settings: Callable[..., Settings], client: redis.Redis, endpoint: str, model: str | None
) -> None:
    named = {"*": "tiny", "named-by-hand": "small", "lost-by-hand": "nobody"}
    settings = make_settings(served_models=("tiny", "small"), runpod_endpoints=named)
    api = create_app(settings).test_client()
    answer = api.post(f"/v2/{endpoint}/run", json={"input": {"prompt": "x"}})
    if model is None:
        assert (answer.status_code, list(answer.get_json())) == (404, ["error"])
    else:
        task_id = answer.get_json()["id"]
        assert JobStore(client, settings).reader.get(task_id).model == model
        assert api.get(f"/v2/{endpoint}/status/{task_id}").get_json()["status"] == "IN_QUEUE"


def test_without_the_wildcard_only_named_endpoints_are_there(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(served_models=("tiny",), runpod_endpoints={"9eb182ubs5j0jf": "tiny"})
    api = create_app(settings).test_client()
    statuses = [
        api.post(f"/v2/{endpoint}/run", json={"input": {"prompt": "x"}}).status_code
        for endpoint in ("9eb182ubs5j0jf", "abcdefghijklmn")
    ]
    assert statuses == [200, 404]


@pytest.mark.parametrize("error", [TimedOut("it was not done within 2 s"), Expired("it did not begin within 2 s")])
def test_a_time_out_is_a_failed_job_whose_error_begins_with_timeout(
    make_settings: Callable[..., Settings], store: JobStore, error: AttemptError
) -> None:
    api = create_app(make_settings(served_models=("tiny",))).test_client()
    task_id = api.post("/v2/tiny/run", json={"input": {"prompt": "x"}}).get_json()["id"]
    job = store.claim("tiny", "w1")
    assert job is not None
    store.fail(job, error)
    told = api.get(f"/v2/tiny/status/{task_id}").get_json()
    assert (told["status"], told["error"]) == ("FAILED", f"Timeout: {error.message}")


def test_too_many_requests_and_a_full_queue_say_rate_limit(
    make_settings: Callable[..., Settings], client: redis.Redis
) -> None:
    settings = make_settings(served_models=("tiny",), max_queue_length=1)
    api = create_app(settings).test_client()
    for _ in range(2):
        full = api.post("/v2/tiny/run", json={"input": {"prompt": "x"}})
    assert (full.status_code, full.get_json()["error"].split(" (")[0]) == (429, "Rate limit: MAX_QUEUE_LENGTH")
    key = {"X-API-Key": Keys(client).create("one", Allowance(rpm=1))[0]}
    locked = create_app(settings).test_client()
    for _ in range(2):
        hasty = locked.post("/v2/tiny/run", json={"input": {"prompt": "x"}}, headers=key)
    assert (hasty.status_code, hasty.get_json()["error"][:24]) == (429, "Rate limit: the limit of")


def test_a_failed_generation_fails_the_job_and_can_be_retried(api: FlaskClient) -> None:
    job = api.post(f"{ENDPOINT}/runsync", json={"input": {"prompt": FAILING_PROMPT, "duration": 1}}).json
    assert job is not None
    assert (job["status"], job["error"]) == ("FAILED", "Model loading failed: Out of memory")
    again = api.post(f"{ENDPOINT}/retry/{job['id']}").json
    assert again is not None
    assert again["status"] == "IN_QUEUE"
    assert ended(api, again["id"])["status"] == "FAILED"


def test_a_retry_under_one_key_makes_one_job(api: FlaskClient) -> None:
    job = api.post(f"{ENDPOINT}/runsync", json={"input": {"prompt": FAILING_PROMPT, "duration": 1}}).json
    assert job is not None
    answers = [
        api.post(f"{ENDPOINT}/retry/{job['id']}", headers={"Idempotency-Key": key}) for key in ("a", "a", "b", "a b")
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400]
    ids = [answer.get_json()["id"] for answer in answers[:3]]
    assert ids[0] == ids[1] != ids[2] != job["id"]
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers[:3]] == [None, "true", None]


def test_a_wait_that_is_over_answers_in_progress_and_the_job_can_be_cancelled(api: FlaskClient, player: Player) -> None:
    player.rest()
    job = api.post(f"{ENDPOINT}/runsync?wait=1000", json={"input": {"prompt": "x"}}).json
    assert job is not None
    assert job["status"] == "IN_QUEUE"
    assert (api.post(f"{ENDPOINT}/cancel/{job['id']}").json or {})["status"] == "CANCELLED"
    assert api.post(f"{ENDPOINT}/runsync?wait=5", json={"input": {"prompt": "x"}}).status_code == 400


def test_health_counts_and_purging_empties_the_queue(api: FlaskClient, player: Player) -> None:
    api.post(f"{ENDPOINT}/runsync", json={"input": {"prompt": "x", "duration": 1}})
    player.rest()
    for number in range(3):
        api.post(f"{ENDPOINT}/run", json={"input": {"prompt": f"{number}", "duration": 1}})
    health = api.get(f"{ENDPOINT}/health").json
    assert health is not None
    assert health["jobs"]["inQueue"] == 3
    assert health["jobs"]["completed"] == 1
    assert health["workers"] == {"idle": 1, "running": 0}
    assert api.post(f"{ENDPOINT}/purge-queue").json == {"removed": 3, "status": "completed"}
    assert (api.get(f"{ENDPOINT}/health").json or {})["jobs"]["inQueue"] == 0
