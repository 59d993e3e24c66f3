from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.keys import Allowance, Keys
from api.uploads.sandbox.boot_check import missing_layers
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.api.served import SharedApi


def test_health_tells_models_workers_queues_and_the_machine(api: FlaskClient) -> None:
    api.post("/tasks", json={"prompt": "x"})
    health = api.get("/health").get_json()
    assert (health["status"], health["models_loaded"], health["queues"]) == ("healthy", ["tiny"], {"tiny": 1})
    assert health["workers"][0]["device"] == "cpu"
    assert health["system"]["memory_total_mb"] > 0


def test_ready_needs_a_worker_for_the_default_model(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    assert open_api(make_settings()).get("/health/ready").status_code == 200
    answer = open_api(make_settings(default_model="small")).get("/health/ready")
    assert answer.status_code == 503
    assert answer.get_json()["faults"] == {"workers": "no live worker for: small"}
    aliased = make_settings(default_model="small", model_aliases={"small": "tiny"})
    assert open_api(aliased).get("/health/ready").status_code == 200


def test_a_service_is_not_ready_while_all_workers_of_its_model_are_drained_or_dead(
    api: FlaskClient, client: redis.Redis, settings: Settings, store: JobStore
) -> None:
    store.drain("w1")
    answer = api.get("/health/ready")
    assert answer.status_code == 503
    assert answer.get_json()["faults"] == {
        "workers": "no live worker for: tiny (1 there, drained or with a fault: GET /health says which)"
    }
    WorkerRegistry(client, settings).announce(replace(TINY, worker="w2", fault="its engine is dead"))
    assert api.get("/health/ready").status_code == 503
    WorkerRegistry(client, settings).announce(replace(TINY, worker="w3"))
    assert api.get("/health/ready").status_code == 200


def test_how_workers_decode_is_listed_once_for_each_way_with_the_reason_for_a_slower_one(
    api: FlaskClient, client: redis.Redis, settings: Settings
) -> None:
    fast, slow = replace(TINY, runner="graphs"), replace(TINY, runner="eager", runner_reason="graphs: no memory")
    for name, record in {"w1": fast, "w2": fast, "w3": slow}.items():
        WorkerRegistry(client, settings).announce(replace(record, worker=name))
    tiny = next(model for model in api.get("/models").get_json()["models"] if model["name"] == "tiny")
    assert tiny["runners"] == [
        {"runner": "graphs", "reason": None},
        {"runner": "eager", "reason": "graphs: no memory"},
    ]
    workers = api.get("/health").get_json()["workers"]
    assert [(each["runner"], each["runner_reason"]) for each in workers] == [
        ("graphs", None),
        ("graphs", None),
        ("eager", "graphs: no memory"),
    ]


def test_live_answers_even_without_a_broker(make_settings: Callable[..., Settings]) -> None:
    api = create_app(make_settings(redis_url="redis://127.0.0.1:1/0")).test_client()
    assert api.get("/health/live").status_code == 200
    assert api.get("/health").get_json()["faults"]["broker"]


def test_models_lists_all_known_with_what_they_can_do(api: FlaskClient, client: redis.Redis) -> None:
    listed = {model["name"]: model for model in api.get("/models").get_json()["models"]}
    assert (listed["tiny"]["workers"], listed["tiny"]["max_duration"]) == (1, TINY.max_duration_s)
    vocabulary = listed["small"].pop("vocabulary")
    assert "piano" in vocabulary["instruments"]
    assert listed["small"] == {
        "name": "small",
        "size": "300M",
        "quality": "good",
        "melody": False,
        "stereo": False,
        "max_duration": 240.0,
        "runners": [],
        "workers": 0,
        "promised": False,
        "queued": 0,
        "eta_s": None,
        "licence": "CC-BY-NC-4.0",
    }


def test_models_tells_which_are_accepted_without_a_worker(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    listed = open_api(make_settings(served_models=("tiny", "small"))).get("/models").get_json()["models"]
    assert [model["name"] for model in listed if model["promised"]] == ["small", "tiny"]


def test_models_tells_how_long_music_would_take_that_was_asked_for_now(
    open_api: Callable[..., FlaskClient],
    settings: Settings,
    store: JobStore,
    client: redis.Redis,
    finish: Callable[[Job, bytes], Job],
) -> None:
    def tiny(api: FlaskClient) -> dict[str, Any]:
        return next(model for model in api.get("/models").get_json()["models"] if model["name"] == "tiny")

    api = open_api(settings)
    api.post("/tasks", json={"prompt": "x", "duration": 4})
    assert (tiny(api)["queued"], tiny(api)["eta_s"]) == (1, None)
    job = store.claim("tiny", "w1")
    assert job is not None
    client.hincrby(f"ostinato:job:{job.id}", "started_ms", -8_000)
    finish(job, b"RIFF")  # 4 s of music in 8 s
    assert tiny(open_api(settings))["eta_s"] == pytest.approx(16, abs=1)


def test_models_are_listed_once_each_whatever_their_aliases(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    api = open_api(make_settings(model_aliases={"small": "tiny", "medium": "tiny"}))
    names = [model["name"] for model in api.get("/models").get_json()["models"]]
    assert len(names) == len(set(names))
    assert {"tiny", "small", "medium"} <= set(names)


def test_names_in_settings_may_be_written_in_every_known_way(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    aliases = {"small": "tiny"}
    long_name = make_settings(default_model="facebook/musicgen-small", model_aliases=aliases)
    assert open_api(long_name).get("/health/ready").status_code == 200
    promised = make_settings(served_models=("musicgen-large",))
    assert open_api(promised).post("/tasks", json={"prompt": "x", "model": "large"}).status_code == 202


def test_only_a_caller_with_a_key_is_told_which_layers_of_the_decoders_sandbox_are_missing(
    open_api: Callable[..., FlaskClient], settings: Settings, client: redis.Redis
) -> None:
    told = {"missing": missing_layers()}
    assert open_api(settings).get("/health").get_json()["decoder_sandbox"] == told  # while no key exists
    for page in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert "decoder_sandbox" not in open_api(settings).get("/health", headers=page).get_json()
    key, record = Keys(client).create("one", Allowance())
    api = open_api(settings)
    for headers in ({}, {"X-API-Key": "ost_no_key"}, {"X-API-Key": key, "Authorization": "Bearer other"}):
        answer = api.get("/health", headers=headers)
        assert answer.status_code == 200
        assert "decoder_sandbox" not in answer.get_json()
    assert api.get("/health", headers={"X-API-Key": key}).get_json()["decoder_sandbox"] == told
    Keys(client).disable(record.id)
    assert "decoder_sandbox" not in api.get("/health", headers={"X-API-Key": key}).get_json()


@pytest.mark.slow
@pytest.mark.xdist_group("served")
def test_the_boot_log_of_a_real_server_tells_of_the_sandbox(shared_api: SharedApi) -> None:
    assert "upload decoders are confined; missing layers: " in shared_api.served.program.log_path.read_text()
