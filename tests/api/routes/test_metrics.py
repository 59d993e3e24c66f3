"""/metrics: one target for the whole service, right however many processes answer."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from shared.broker.counters import Counters
from shared.jobs.audio_chunks import Chunk, ChunkStore
from shared.jobs.job import Job, Stage
from shared.jobs.store import JobStore
from shared.music.audio_refs import BeginningRef
from shared.music.request import MusicRequest
from shared.settings import ROOT, Settings
from shared.workers.registry import WorkerRegistry
from stack.ports import LOOPBACK, free_port
from tests.api.conftest import TINY
from tests.submitting import submit_job

Samples = dict[tuple[str, ...], float]


def read(text: str) -> Samples:
    """(name, label values in the order of the labels' names ...) -> value."""
    return {
        (sample.name.removeprefix("ostinato_"), *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(api: FlaskClient) -> Samples:
    answer = api.get("/metrics")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    return read(answer.text)


def test_lines_workers_and_attempts_are_told_by_model(
    api: FlaskClient, store: JobStore, finish: Callable[[Job, bytes], Job], request_for: Callable[..., MusicRequest]
) -> None:
    for _ in range(3):
        submit_job(store, request_for(), "tiny", account="local", source="tasks")
    first = store.claim("tiny", "w1")
    assert first is not None
    store.renew(first, Stage.RUNNING, 40, 100)
    time.sleep(0.05)
    found = scrape(api)
    assert (found["queue_length", "tiny"], found["slots", "tiny"], found["slots_used", "tiny"]) == (2, 1, 1)
    assert 0.05 <= found["queue_oldest_age_seconds", "tiny"] < 10
    assert (found["claims_total", "tiny"], found["decode_steps_total", "tiny"]) == (1, 40)
    finish(first, b"sound")
    found = scrape(api)
    assert (found["attempts_total", "tiny", "completed"], found["jobs_total", "tiny", "completed"]) == (1, 1)
    assert (found["decode_steps_total", "tiny"], found["slots_used", "tiny"]) == (100, 0)
    assert (found["audio_seconds_total", "tiny"], found["generation_seconds_total", "tiny"]) == (
        2.0,
        pytest.approx(0.7),
    )
    assert found["real_time_factor", "tiny"] > 0
    assert found["broker_up",] == 1


def test_of_a_piece_that_goes_on_from_another_only_what_was_made_is_counted(
    api: FlaskClient, store: JobStore, finish: Callable[[Job, bytes], Job], request_for: Callable[..., MusicRequest]
) -> None:
    beginning = BeginningRef(key="results/x/1.wav", seconds=1.5, sha256="0").model_dump()
    submit_job(store, request_for(continue_from=beginning, duration=2), "tiny", account="local", source="tasks")
    job = store.claim("tiny", "w1")
    assert job is not None
    finish(job, b"two seconds of sound")
    assert scrape(api)["audio_seconds_total", "tiny"] == 0.5


def test_the_time_to_a_streamed_jobs_first_sound_is_told(
    api: FlaskClient,
    store: JobStore,
    client: redis.Redis,
    settings: Settings,
    request_for: Callable[..., MusicRequest],
) -> None:
    submit_job(store, request_for(stream=True), "tiny", account="local", source="tasks")
    job = store.claim("tiny", "w1")
    assert job is not None
    begin, audio = (Chunk(1, n, kind, 32000, 1) for n, kind in ((1, "begin"), (2, "audio")))
    ChunkStore(client, settings).write(job, [begin])
    assert not [name for name in scrape(api) if name[0] == "first_chunk_seconds_count"]
    ChunkStore(client, settings).write(job, [audio])
    found = scrape(api)
    for since in ("accepted", "started"):
        assert found["first_chunk_seconds_count", "tiny", since] == 1
        assert 0 <= found["first_chunk_seconds_sum", "tiny", since] < 10
        assert found["first_chunk_seconds_bucket", "30", "tiny", since] == 1


def test_webhooks_and_the_cleaners_work_are_told(api: FlaskClient, client: redis.Redis) -> None:
    Counters(client).add({("webhooks", "delivered"): 3, ("webhooks", "retried"): 2, ("cleaned", "bytes"): 5})
    found = scrape(api)
    assert (found["webhook_deliveries_total", "delivered"], found["webhook_deliveries_total", "retried"]) == (3, 2)
    assert (found["cleaned_total", "bytes"], found["webhook_backlog",]) == (5, 0)


def test_requests_are_counted_by_route_and_unknown_paths_make_no_series(api: FlaskClient) -> None:
    for _ in range(3):
        api.get("/tasks/nothing")
    for number in range(5):
        api.get(f"/no/such/{number}")
    api.open("/models", method="BREW")
    found = scrape(api)
    assert found["http_requests_total", "GET", "/tasks/<task_id>", "404"] == 3
    assert found["http_requests_total", "GET", "none", "404"] == 5
    assert found["http_request_duration_seconds_count", "GET", "/tasks/<task_id>"] == 3
    assert sum(value for name, value in found.items() if name[:2] == ("http_requests_total", "other")) == 1


def test_a_drained_workers_slots_do_not_count(api: FlaskClient, store: JobStore) -> None:
    assert scrape(api)["slots", "tiny"] == 1
    store.drain("w1")
    found = scrape(api)
    assert (found["slots", "tiny"], found["workers", "tiny"]) == (0, 1)


def test_while_redis_is_away_requests_are_still_told(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], client: redis.Redis
) -> None:
    api = create_app(make_settings(redis_url=f"redis://{LOOPBACK}:1/0")).test_client()
    api.get("/tasks/nothing")
    found = scrape(api)
    assert found["broker_up",] == 0
    assert found["http_requests_total", "GET", "/tasks/<task_id>", "503"] == 1


@contextmanager
def gunicorn(settings: Settings, folder: Path) -> Iterator[str]:
    """The API as it is served, by two processes that count in this folder; gives its address."""
    port = free_port()
    environment = {
        "REDIS_URL": settings.redis_url,
        "LOCAL_STORAGE_PATH": str(settings.local_storage_path),
        "DEFAULT_MODEL": "tiny",
        "PORT": str(port),
        "WEB_CONCURRENCY": "2",
        "PROMETHEUS_MULTIPROC_DIR": str(folder),
        "PATH": os.defpath,
    }
    command = [sys.executable, "-m", "gunicorn", "--config", "stack/gunicorn.conf.py", "api.wsgi:app"]
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    url = f"http://{LOOPBACK}:{port}"
    try:
        give_up_at = time.monotonic() + 30
        while get(url + "/health/live") != 200:
            assert time.monotonic() < give_up_at, (folder / "api.log").read_text()
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)


def get(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.mark.slow
def test_two_gunicorn_processes_tell_the_same_sums_and_nothing_of_an_earlier_run(
    client: redis.Redis, settings: Settings, tmp_path: Path
) -> None:
    WorkerRegistry(client, settings).announce(TINY)
    leave_counts_of_an_earlier_run(tmp_path)
    with gunicorn(settings, tmp_path) as url:
        give_up_at = time.monotonic() + 20
        while len(list(tmp_path.glob("counter_*.db"))) < 2:
            assert time.monotonic() < give_up_at, "one process answers everything"
            get(f"{url}/health/live")
        assert [get(f"{url}/tasks/nothing") for _ in range(40)] == [404] * 40
        scrapes = [fetch(url) for _ in range(6)]
    assert {one["http_requests_total", "GET", "/tasks/<task_id>", "404"] for one in scrapes} == {40}
    assert {one["workers", "tiny"] for one in scrapes} == {1}


def leave_counts_of_an_earlier_run(folder: Path) -> None:
    code = """
from prometheus_client import Counter
requests = Counter("ostinato_http_requests", "HTTP requests", ("route", "method", "status"))
requests.labels("/tasks/<task_id>", "GET", "404").inc(1000)
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={"PROMETHEUS_MULTIPROC_DIR": str(folder)})
    assert len(list(folder.glob("counter_*.db"))) == 1


def test_gunicorn_makes_a_folder_of_its_own_and_removes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = runpy.run_path(str(ROOT / "stack" / "gunicorn.conf.py"))
    server = SimpleNamespace(cfg=SimpleNamespace(bind=["127.0.0.1:8000"]))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    configuration["on_starting"](server)
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    assert list(folder.iterdir()) == []
    configuration["on_exit"](server)
    assert not folder.exists()


def test_a_folder_that_is_named_for_metrics_keeps_other_programs_databases(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configuration = runpy.run_path(str(ROOT / "stack" / "gunicorn.conf.py"))
    ours = {"counter_17.db", "histogram_3.db", "gauge_liveall_9.db", "gauge_mostrecent_9.db"}
    others = {"photos.db", "counter.db", "counter_17.db.bak", "my_counter_17.db", "counter_x.db"}
    for name in ours | others:
        (tmp_path / name).touch()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    configuration["_empty_metrics"](SimpleNamespace())
    assert {path.name for path in tmp_path.iterdir()} == others


def fetch(url: str) -> Samples:
    with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
        return read(answer.read().decode())
