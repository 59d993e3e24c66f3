"""A complete worker with a scripted engine: draining, drained, with an engine that dies.

Signals are caught, not sent.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from shared.errors import ConfigurationError
from shared.jobs.job import Job, Status
from shared.jobs.store import JobStore
from shared.jobs.tickets import Tickets, make_celery
from shared.music.request import MusicRequest
from shared.settings import Settings
from shared.workers.registry import WorkerRecord, WorkerRegistry
from tests.submitting import submit_job
from tests.worker.scripted_engine import (
    Script,
    ScriptedEngine,
    generate_tone,
    generate_until_cancelled,
)
from tests.worker.waiting import wait_for
from worker.engine.core.handle import Handle
from worker.engine_factory import OpenEngine
from worker.process import Worker

pytestmark = pytest.mark.slow


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sent: list[int] = []
    monkeypatch.setattr("worker.process.os.kill", lambda pid, number: sent.append(number))
    return sent


@pytest.fixture
def open_worker(
    client: redis.Redis, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, signals: list[int]
) -> Iterator[Callable[..., tuple[Worker, ScriptedEngine]]]:
    opened: list[Worker] = []

    def open_one(
        script: Script = generate_tone, *, threads: int | None = 6, **changes: object
    ) -> tuple[Worker, ScriptedEngine]:
        engine = ScriptedEngine(script)
        monkeypatch.setattr("worker.process.open_engine", lambda model, settings, progress, trying: OpenEngine(engine))
        settings = make_settings(**({"model": "tiny", "worker_name": "w1"} | changes))
        worker = Worker(settings, Tickets(make_celery(settings), settings))
        opened.append(worker)
        worker.open()
        if threads is not None:
            worker.announce(threads)
        return worker, engine

    yield open_one
    for worker in opened:
        worker.close()


@pytest.fixture
def submit(store: JobStore, request_for: Callable[..., MusicRequest]) -> Callable[..., Job]:
    return lambda **changes: submit_job(
        store, request_for(duration=1.0, **changes), "tiny", account="local", source="tasks"
    )


def serve(worker: Worker) -> threading.Thread:
    thread = threading.Thread(target=worker.serve_one, args=("tiny",), daemon=True)
    thread.start()
    return thread


def steps(engine: ScriptedEngine, number: int) -> int:
    """Return how many steps of request `number` are done."""
    return engine.handles[number].progress.step if len(engine.handles) > number else 0


def slow(seconds_a_step: float) -> Script:
    def sing_slowly(handle: Handle) -> object:
        for step in range(1, 11):
            time.sleep(seconds_a_step)
            handle.advance(step, "decoding")
        return generate_tone(handle)

    return sing_slowly


def test_a_draining_worker_finishes_what_fits_drain_s_and_requeues_the_rest_at_once(
    open_worker: Callable[..., tuple[Worker, ScriptedEngine]], store: JobStore, submit: Callable[..., Job]
) -> None:
    worker, engine = open_worker(slow(0.1), drain_s=4.0)
    quick, long = submit(), submit()
    threads = [serve(worker)]
    wait_for(lambda: steps(engine, 0) > 0)
    engine.script = slow(0.75)
    threads.append(serve(worker))
    wait_for(lambda: steps(engine, 1) > 0)
    since = time.monotonic()
    worker.drain()
    for thread in threads:
        thread.join(timeout=10)
    assert time.monotonic() - since < 3.5, "what does not fit is known by its first step"
    assert (store.reader.get(quick.id).status, store.reader.get(long.id).status) == (Status.COMPLETED, Status.QUEUED)
    assert store.reader.get(long.id).failures == 0


def test_a_worker_that_runs_a_solo_job_claims_no_other_meanwhile(
    open_worker: Callable[..., tuple[Worker, ScriptedEngine]],
    store: JobStore,
    client: redis.Redis,
    submit: Callable[..., Job],
) -> None:
    worker, engine = open_worker(generate_until_cancelled)
    suspect = submit()
    client.hset(f"ostinato:job:{suspect.id}", "mark", "alone")
    serve(worker)
    wait_for(lambda: steps(engine, 0) > 0)
    engine.script = generate_tone
    other = submit()
    waiting = serve(worker)
    time.sleep(0.6)
    assert store.reader.get(other.id).status is Status.QUEUED
    store.cancel(suspect.id)
    waiting.join(timeout=8)
    assert store.reader.get(other.id).status is Status.COMPLETED


def test_a_worker_whose_engine_died_announces_the_fault_and_leaves(
    open_worker: Callable[..., tuple[Worker, ScriptedEngine]],
    settings: Settings,
    client: redis.Redis,
    store: JobStore,
    submit: Callable[..., Job],
    signals: list[int],
) -> None:
    worker, engine = open_worker()
    engine.alive = False
    wait_for(lambda: signal.SIGTERM in signals)
    assert [p.fault for p in WorkerRegistry(client, settings).live()] == ["its engine is dead"]
    submit()
    assert worker.serve_one("tiny") is False


def test_a_drained_worker_announces_it_and_claims_again_after_a_restart(
    open_worker: Callable[..., tuple[Worker, ScriptedEngine]],
    settings: Settings,
    client: redis.Redis,
    store: JobStore,
    submit: Callable[..., Job],
) -> None:
    worker, _ = open_worker(presence_ttl_s=2.0)
    store.drain("w1")
    wait_for(lambda: [p.drained for p in WorkerRegistry(client, settings).live()] == [True])
    job = submit()
    waiting = serve(worker)
    time.sleep(0.5)
    assert store.reader.get(job.id).status is Status.QUEUED
    open_worker()
    wait_for(lambda: store.reader.get(job.id).status is Status.COMPLETED)
    waiting.join(timeout=5)


def test_a_worker_is_ready_only_once_its_tickets_are_drawn_and_offers_no_more_slots_than_it_has_threads(
    open_worker: Callable[..., tuple[Worker, ScriptedEngine]], settings: Settings, client: redis.Redis
) -> None:
    worker, engine = open_worker(threads=None)
    registry = WorkerRegistry(client, settings)
    assert registry.live() == []
    worker.announce(2)
    assert [(p.worker, p.slots, p.ffmpeg) for p in registry.live()] == [("w1", 2, True)]
    assert engine.slots > 2


def test_a_worker_without_an_ffmpeg_program_says_so_and_one_whose_ffmpeg_is_none_does_not_start(
    open_worker: Callable[..., tuple[Worker, ScriptedEngine]],
    settings: Settings,
    client: redis.Redis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigurationError, match="FFMPEG=/nowhere/ffmpeg: that is no program"):
        open_worker(ffmpeg="/nowhere/ffmpeg")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    open_worker()
    assert [p.ffmpeg for p in WorkerRegistry(client, settings).live()] == [False]


def test_a_worker_that_draws_no_tickets_announces_a_fault_until_it_draws_them_again(
    open_worker: Callable[..., tuple[Worker, ScriptedEngine]], settings: Settings, client: redis.Redis
) -> None:
    worker, _ = open_worker(threads=None, presence_ttl_s=0.5)
    draws, registry = [True], WorkerRegistry(client, settings)
    worker.announce(2, draws=lambda: draws[0])
    assert [p.claims for p in registry.live()] == [True]
    draws[0] = False
    wait_for(lambda: [p.claims for p in registry.live()] == [False])
    draws[0] = True
    wait_for(lambda: [p.claims for p in registry.live()] == [True])


def test_a_worker_that_leaves_while_it_announces_is_not_left_in_the_registry(
    open_worker: Callable[..., tuple[Worker, ScriptedEngine]],
    settings: Settings,
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker, _ = open_worker(threads=None)
    announce = WorkerRegistry.announce

    def leave_first(registry: WorkerRegistry, presence: WorkerRecord) -> None:
        worker.drain()
        announce(registry, presence)

    monkeypatch.setattr(WorkerRegistry, "announce", leave_first)
    worker.announce(2)
    assert WorkerRegistry(client, settings).live() == []
