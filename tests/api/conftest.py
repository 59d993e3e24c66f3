"""The API over a real broker and a real folder. The worker is played by the test, through the job store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
import redis
import requests
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from api.app import create_app
from api.openapi.builder import describe
from api.openapi.operations import Section
from shared.broker.connection import connect
from shared.jobs.job import Fingerprint, Job, Result
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.storage import open_storage
from shared.workers.registry import WorkerRecord, WorkerRegistry
from stack.broker import EmbeddedBroker
from tests.api.hostile import of_fields
from tests.api.served import SharedApi, serve

TINY = WorkerRecord(
    "w1", "tiny", "models/tiny", "tiny", "digest", "engine-1", "fp32", "cpu", 32000, 1, 30.0, True, 1, "0.1", 1.0
)


@pytest.fixture(scope="session", autouse=True)
def described_once() -> Iterator[None]:
    """Three quarters of an application's making are its description, which is the same for all that are made here."""
    known: dict[tuple[int, ...], Any] = {}

    def describe_once(sections: Sequence[Section], is_open: Callable[[str], bool]) -> Any:
        key = tuple(map(id, sections))  # constants of their modules
        if key not in known:
            known[key] = describe(sections, is_open)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.openapi.pages.describe", describe_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def rules_compiled_once() -> Iterator[None]:
    """Half of the rest is werkzeug compiling functions that build addresses: the same for equal rules."""
    compile_builder, known = Rule._compile_builder, dict[tuple[object, ...], Callable[..., tuple[str, str]]]()

    def compile_once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        key = (append_unknown, *rule._trace)
        if key not in known:
            known[key] = compile_builder(rule, append_unknown)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", compile_once)
        yield


@pytest.fixture(scope="session")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedApi]:
    """Serve the API for tests that only need it to run: those of the group "served", so that there is one of it.

    On a broker of its own: a running API sweeps, and would do so among other tests' jobs.
    """
    folder = tmp_path_factory.mktemp("served")
    with EmbeddedBroker(folder / "broker") as broker:
        settings = Settings(_env_file=None, redis_url=broker.url, local_storage_path=folder / "audio")
        with serve(folder, settings, DEFAULT_MODEL="tiny", REDIS_TIMEOUT_S="20") as api:
            warm = {"requests": [of_fields(100)] * 50}  # refused, as what is of an ordinary size is
            assert requests.post(f"{api.url}/tasks/batch", json=warm, timeout=60.0).status_code == 400
            yield SharedApi(api, api.most_held())


@pytest.fixture
def shared_settings(shared_api: SharedApi) -> Settings:
    """Return the settings of the shared API, whose broker is empty."""
    with closing(connect(shared_api.served.settings)) as connection:
        connection.flushdb()
    return shared_api.served.settings


PACE_AGE_S = 0.05


@pytest.fixture
def new_pace(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what waits until an application of this test sees the workers' latest pace."""
    monkeypatch.setattr("api.services.worker_directory.PACE_AGE_S", PACE_AGE_S)
    return lambda: time.sleep(2 * PACE_AGE_S)


@pytest.fixture
def open_api(client: redis.Redis) -> Callable[..., FlaskClient]:
    """An API client for given settings, with a live `tiny` worker announced."""

    def open_one(settings: Settings) -> FlaskClient:
        WorkerRegistry(client, settings).announce(TINY)
        return create_app(settings).test_client()

    return open_one


@pytest.fixture
def api(open_api: Callable[..., FlaskClient], settings: Settings) -> FlaskClient:
    return open_api(settings)


@pytest.fixture
def finish(store: JobStore, settings: Settings) -> Callable[[Job, bytes], Job]:
    """Store that audio as the job's result and complete it, as a worker would."""

    def finish(job: Job, audio: bytes) -> Job:
        stored = (storage := open_storage(settings)).put(
            storage.names.result(job.id, job.attempt, "wav"), audio, "audio/wav"
        )
        fingerprint = Fingerprint("digest", "engine-1", "fp32", "cpu")
        store.complete(
            job,
            Result(stored.key, "audio/wav", stored.bytes, stored.sha256, 2.0, 32000, 1, 0.7, fingerprint),
        )
        return store.reader.get(job.id)

    return finish
