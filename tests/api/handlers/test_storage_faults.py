"""What callers are told of a store that fails: nothing of where it is. The log, which is the operator's, names it."""

from __future__ import annotations

import http.client
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.app import create_app
from shared.broker.connection import connect
from shared.errors import OstinatoError
from shared.jobs.job import Fingerprint, Job, Result
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from shared.storage import open_storage
from shared.workers.registry import WorkerRegistry
from stack.ports import free_port
from tests.api.conftest import TINY
from tests.api.served import SharedApi
from tests.audio_fixtures import file_of, tone
from tests.servers import S3Server
from tests.submitting import submit_job

pytestmark = pytest.mark.slow

BUCKET = "inner-bucket"
MADE_BY = Fingerprint("digest", "engine-1", "fp32", "cpu")


@pytest.fixture(params=["folder", "away", "wrong keys", "no bucket", "not ours"])
def broken(
    request: pytest.FixtureRequest,
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """Settings of a store that cannot be used, in each way; an upload is not tried for long."""
    monkeypatch.setattr("api.uploads.upload_store.UPLOAD_RETRY_S", 0.1)
    monkeypatch.setattr("shared.storage.s3.TRIES", 1)
    s3 = {"s3_bucket_name": BUCKET, "s3_access_key": "key", "s3_secret_key": "secret"}
    if request.param == "folder":
        (tmp_path / "a file").touch()
        return make_settings(local_storage_path=tmp_path / "a file")
    if request.param == "not ours":
        (tmp_path / "shared" / "ostinato").mkdir(parents=True)
        (tmp_path / "shared" / "ostinato" / "mine.txt").touch()
        return make_settings(local_storage_path=tmp_path / "shared")
    if request.param == "away":
        return make_settings(s3_endpoint_url=f"http://127.0.0.1:{free_port()}", **s3)
    server: S3Server = request.getfixturevalue("s3")
    if request.param == "no bucket":
        own = {"s3_access_key": server.access_key, "s3_secret_key": server.secret_key}
        s3 = {"s3_bucket_name": f"{BUCKET}-too"} | own
    return make_settings(s3_endpoint_url=server.endpoint_url, **s3)


def claim(store: JobStore) -> Job:
    job = store.claim("tiny", "w1")
    assert job is not None
    return job


def completed(api: FlaskClient, store: JobStore) -> str:
    """The id of a task whose audio was stored once, as far as its record knows."""
    task_id = str((api.post("/tasks", json={"prompt": "x"}).json or {})["task_id"])
    key = f"ostinato/results/{task_id}/1.wav"
    store.complete(claim(store), Result(key, "audio/wav", 9, "abc", 2.0, 32000, 1, 0.7, MADE_BY))
    return task_id


def failed(api: FlaskClient, store: JobStore, settings: Settings) -> str:
    """The id of a task whose worker could not store what it had made."""
    task_id = str((api.post("/tasks", json={"prompt": "x"}).json or {})["task_id"])
    with pytest.raises(OstinatoError) as refused:
        open_storage(settings).put(f"ostinato/results/{task_id}/1.wav", b"x", "audio/wav", retry_s=0.0)
    refused.value.retryable = False
    store.fail(claim(store), refused.value)
    return task_id


def test_no_answer_about_the_store_says_where_it_is_and_the_log_does(
    client: redis.Redis, broken: Settings, store: JobStore, caplog: pytest.LogCaptureFixture
) -> None:
    WorkerRegistry(client, broken).announce(TINY)
    api = create_app(broken).test_client()
    done, lost = completed(api, store), failed(api, store, broken)
    melody = {"prompt": "x", "model": "tiny", "melody": (io.BytesIO(file_of(tone(330, 1.0), 32_000)), "hum.wav")}
    caplog.clear()
    answers: dict[str, Any] = {"melody": api.post("/tasks", data=melody, content_type="multipart/form-data")}
    told = [f"/tasks/{lost}", f"/v2/tiny/status/{lost}", f"/api/v1/generate/{lost}"]
    asked = [f"/tasks/{done}/audio", f"/audio/{done}.wav", f"/v2/tiny/status/{done}"]
    for path in ("/health", "/health/ready", "/", *told, *asked):
        answers[path] = api.get(path)
    assert {answers[path].status_code for path in ("/health", "/health/ready")} == {503}
    assert answers["melody"].status_code in (500, 503)
    where = broken.s3_endpoint_url or str(broken.local_storage_path)
    inner = (where, where.rpartition("/")[2], BUCKET, "results/", "uploads/", "S3", "127.0.0.1")
    for name, answer in answers.items():
        said = answer.get_data(as_text=True).replace(f"/audio/{done}", "")
        assert not [word for word in inner if word in said], (name, said)
    assert "store" in answers[f"/tasks/{lost}"].get_json()["error"]
    assert where in caplog.text or BUCKET in caplog.text


@pytest.mark.xdist_group("served")
def test_as_served_a_file_that_is_cut_meanwhile_ends_with_its_connection_broken(
    shared_api: SharedApi, shared_settings: Settings, request_for: Callable[..., MusicRequest]
) -> None:
    """Else the client would wait for the rest, or take the next answer for it."""
    size = 32 * 2**20  # more than the system holds between two sockets
    settings, store = shared_settings, JobStore(connect(shared_settings), shared_settings)
    connection = http.client.HTTPConnection("127.0.0.1", shared_api.served.port, timeout=20)
    job = submit_job(store, request_for(), "tiny", account="local", source="tasks")
    key = open_storage(settings).names.result(job.id, 1, "wav")
    open_storage(settings).put(key, bytes(size), "audio/wav")
    store.complete(claim(store), Result(key, "audio/wav", size, "abc", 2.0, 32000, 1, 0.7, MADE_BY))
    connection.request("GET", f"/tasks/{job.id}/audio")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Content-Length"]) == (200, str(size))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len(answer.read(100_000)) == 100_000
    os.truncate(settings.local_storage_path / key, 1000)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        answer.read()
    connection.close()
