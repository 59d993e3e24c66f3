"""While the store is away a worker keeps finished audio, tries again, and goes on decoding."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.jobs.audio_chunks import ChunkStore
from shared.jobs.job import Job, Stage, Status
from shared.jobs.store import JobStore
from shared.jobs.tickets import Tickets, make_celery
from shared.music.request import MusicRequest
from shared.settings import Settings
from shared.storage import open_storage
from tests.submitting import submit_job
from tests.worker.scripted_engine import ScriptedEngine
from tests.worker.waiting import wait_for
from worker.engine_factory import OpenEngine
from worker.jobs.attempt import Attempt
from worker.process import Worker

Submit = Callable[[], Job]


@pytest.fixture
def submit(store: JobStore, request_for: Callable[..., MusicRequest]) -> Submit:
    return lambda: submit_job(store, request_for(duration=1.0), "tiny", account="local", source="tasks")


@pytest.fixture
def away(tmp_path: Path) -> Path:
    """A file stands where the store's folder is to be."""
    folder = tmp_path / "away"
    folder.write_bytes(b"")
    return folder


def run(settings: Settings, store: JobStore, on_made: Callable[[], None] = lambda: None) -> Attempt:
    job = store.claim("tiny", "w1")
    assert job is not None
    chunks = ChunkStore(store._redis, settings)
    attempt = Attempt(job, store, open_storage(settings), ScriptedEngine(), settings, on_made, chunks=chunks)
    attempt.run()
    return attempt


def test_finished_audio_is_stored_when_the_store_is_back(
    make_settings: Callable[..., Settings], store: JobStore, submit: Submit, away: Path
) -> None:
    """Its lease is renewed meanwhile, although nothing advances for longer than STUCK_AFTER_S."""
    settings = make_settings(local_storage_path=away, storage_retry_s=30.0, stuck_after_s=1.0, lease_s=1.5)
    job, stages = submit(), set[Stage]()
    running = threading.Thread(target=run, args=(settings, JobStore(store._redis, settings)))
    running.start()
    give_up_at = time.monotonic() + 3.0
    while time.monotonic() < give_up_at:
        store.reap()
        stages.add(store.reader.get(job.id).stage)
        time.sleep(0.1)
    assert Stage.UPLOADING in stages
    away.unlink()
    running.join()
    done = store.reader.get(job.id)
    assert (done.status, done.attempt) == (Status.COMPLETED, 1)
    assert done.result is not None
    assert len(open_storage(settings).read(done.result.key)) == done.result.bytes


def test_a_store_that_stays_away_fails_the_job_once_by_name(
    make_settings: Callable[..., Settings], store: JobStore, submit: Submit, away: Path
) -> None:
    job = submit()
    since = time.monotonic()
    run(make_settings(local_storage_path=away, storage_retry_s=1.0), store)
    failed = store.reader.get(job.id)
    assert (failed.status, failed.attempt) == (Status.FAILED, 1), "music made anew would find the same store"
    assert failed.error is not None
    assert failed.error.code == "STORAGE_UNAVAILABLE"
    assert "the store of audio does not answer" in failed.error.message
    assert str(away) not in failed.error.message
    assert time.monotonic() - since >= 1.0


def test_the_engine_slot_is_free_before_the_store_replies(
    make_settings: Callable[..., Settings], store: JobStore, submit: Submit, away: Path
) -> None:
    submit()
    made_at = list[float]()
    run(make_settings(local_storage_path=away, storage_retry_s=1.0), store, lambda: made_at.append(time.monotonic()))
    assert time.monotonic() - made_at[0] >= 1.0


def test_a_worker_decodes_the_next_job_while_the_last_one_waits_for_the_store(
    make_settings: Callable[..., Settings],
    store: JobStore,
    submit: Submit,
    away: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a single slot, as many jobs wait in `uploading` as the worker has threads, and no more are claimed."""
    settings = make_settings(
        local_storage_path=tmp_path / "audio", model="tiny", worker_name="w1", storage_retry_s=30.0
    )
    engine = ScriptedEngine()
    engine.slots = 1
    monkeypatch.setattr("worker.process.open_engine", lambda model, settings, progress, trying: OpenEngine(engine))
    worker = Worker(settings, Tickets(make_celery(settings), settings))
    worker.open()
    (tmp_path / "audio").rename(tmp_path / "elsewhere")
    (tmp_path / "audio").write_bytes(b"")
    jobs = [submit() for _ in range(3)]
    threads = [threading.Thread(target=worker.serve_one, args=("tiny",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_for(
        lambda: [store.reader.get(job.id).stage for job in jobs] == [Stage.UPLOADING, Stage.UPLOADING, Stage.QUEUED]
    )
    (tmp_path / "audio").unlink()
    for thread in threads:
        thread.join()
    assert [store.reader.get(job.id).status for job in jobs] == [Status.COMPLETED, Status.COMPLETED, Status.QUEUED]
    worker.close()
