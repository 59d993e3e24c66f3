"""Tickets drawn by a real Celery worker (in this process, threads pool) from a real broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis
from celery.contrib.testing.worker import start_worker

from shared.jobs.job import Status
from shared.jobs.store import JobStore
from shared.jobs.tickets import TICKET_TASK, Tickets, make_celery
from shared.music.request import MusicRequest
from shared.settings import Settings
from tests.submitting import submit_job
from tests.worker.scripted_engine import ScriptedEngine
from tests.worker.waiting import wait_for
from worker.engine_factory import OpenEngine
from worker.process import Worker
from worker.tasks import register

pytestmark = pytest.mark.slow


@pytest.fixture
def worker(settings: Settings, client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """A worker with a scripted engine, open, and Celery drawing tickets for it."""
    settings = settings.model_copy(update={"model": "tiny", "worker_name": "w1"})
    monkeypatch.setattr(
        "worker.process.open_engine", lambda model, settings, progress, trying: OpenEngine(ScriptedEngine())
    )
    app = make_celery(settings)
    app.conf.task_default_queue = "ostinato.tiny"
    worker = Worker(settings, Tickets(app, settings))
    register(app, worker)
    worker.open()
    with start_worker(app, pool="threads", concurrency=2, perform_ping_check=False, shutdown_timeout=20):
        worker.announce(2)
        yield worker
    worker.close()


def test_each_ticket_runs_one_job_and_a_doubled_ticket_does_no_harm(
    worker: Worker, settings: Settings, store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    tickets = Tickets(make_celery(settings), settings)
    jobs = [submit_job(store, request_for(), "tiny", account="local", source="tasks") for _ in range(5)]
    tickets.send("tiny", 12)
    wait_for(lambda: all(store.reader.get(job.id).status is Status.COMPLETED for job in jobs))
    assert all(store.reader.get(job.id).attempt == 1 for job in jobs)


def test_a_job_whose_ticket_was_lost_runs_after_the_reaper_came(
    worker: Worker, store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    job = submit_job(store, request_for(), "tiny", account="local", source="tasks")
    wait_for(lambda: store.reader.get(job.id).status is Status.COMPLETED)


def test_a_ticket_of_a_later_version_claims_nothing(
    worker: Worker, settings: Settings, client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_celery(settings)
    app.send_task(TICKET_TASK, kwargs={"version": 99, "model": "tiny"}, queue="ostinato.tiny")
    wait_for(lambda: "ticket of version 99" in caplog.text)


def test_a_draining_worker_claims_nothing_and_is_no_longer_live(
    worker: Worker, client: redis.Redis, store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    worker.drain()
    submit_job(store, request_for(), "tiny", account="local", source="tasks")
    assert worker.serve_one("tiny") is False
    assert client.smembers("ostinato:workers") == set()
