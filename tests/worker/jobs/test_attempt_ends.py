"""Attempts that fail, are cancelled, get stuck, come late or are requeued; and what an attempt survives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import redis

from shared.errors import BrokerUnavailable, OutOfMemory
from shared.jobs.job import Job, Result, Status
from shared.jobs.store import JobStore
from shared.music.audio_refs import MelodyRef
from shared.settings import Settings
from shared.storage import Storage
from stack.broker import EmbeddedBroker
from tests.worker.scripted_engine import Script, ScriptedEngine, generate_tone, generate_until_cancelled, hang
from tests.worker.waiting import wait_for
from worker.engine.core.handle import Cancelled, Handle
from worker.jobs.attempt import Attempt


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_silent_or_broken_audio_is_a_failed_attempt_and_not_a_result(
    store: JobStore, storage: Storage, claim: Callable[..., Job], attempt: Callable[..., Attempt], value: float
) -> None:
    job = claim()
    attempt(job, ScriptedEngine(lambda handle: np.full((1, 32_000), value, np.float32))).run()
    seen = store.reader.get(job.id)
    assert (seen.status, seen.failures, seen.error and seen.error.code) == (Status.QUEUED, 1, "UNUSABLE_AUDIO")
    assert not storage.exists(f"ostinato/results/{job.id}/1.wav")


def test_an_engine_that_raises_is_tried_again_and_then_fails_with_its_reason(
    store: JobStore, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    def explode(handle: Handle) -> np.ndarray:
        raise OutOfMemory("no memory for this piece; ask for a shorter one")

    job = claim()
    for number in (1, 2, 3):
        attempt(job, ScriptedEngine(explode)).run()
        if number < 3:
            again = store.claim("tiny", "w1")
            assert again is not None
            job = again
    seen = store.reader.get(job.id)
    assert (seen.status, seen.attempt, seen.error and seen.error.code) == (Status.FAILED, 3, "OUT_OF_MEMORY")


def test_a_format_that_this_worker_cannot_write_is_said_before_anything_is_made(
    store: JobStore, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    """Another worker may have a program for it, so it is tried again."""
    job, engine = claim(output_format="aac"), ScriptedEngine()
    for _ in range(3):
        attempt(job, engine).run()
        job = store.claim("tiny", "w1") or job
    seen = store.reader.get(job.id)
    assert (seen.status, seen.attempt, seen.error and seen.error.code) == (Status.FAILED, 3, "FORMAT_UNAVAILABLE")
    assert seen.error is not None
    assert "FFMPEG" in seen.error.message
    assert engine.requests == []


def test_a_melody_that_is_gone_fails_at_once_with_its_name(
    store: JobStore, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    job = claim(melody=MelodyRef(key="uploads/gone/melody.flac", seconds=1.0, sha256="0").model_dump())
    attempt(job, ScriptedEngine()).run()
    seen = store.reader.get(job.id)
    assert (seen.status, seen.error and seen.error.code) == (Status.FAILED, "BLOB_MISSING")


def test_a_cancel_stops_the_engine_within_a_second_and_stores_nothing(
    store: JobStore, storage: Storage, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    job, engine = claim(), ScriptedEngine(generate_until_cancelled)
    running = threading.Thread(target=attempt(job, engine).run)
    running.start()
    wait_for(lambda: engine.handles and engine.handles[0].progress.step)
    store.cancel(job.id)
    running.join(timeout=2.0)
    assert not running.is_alive()
    assert engine.handles[0].wait(2.0)
    with pytest.raises(Cancelled):
        engine.handles[0].result()
    assert store.reader.get(job.id).status is Status.CANCELLED
    assert not storage.exists(f"ostinato/results/{job.id}/1.wav")


def test_the_lease_is_renewed_while_the_work_advances_and_expires_when_it_hangs(
    client: redis.Redis,
    make_settings: Callable[..., Settings],
    claim: Callable[..., Job],
    attempt: Callable[..., Attempt],
) -> None:
    settings = make_settings(lease_s=1.2, stuck_after_s=0.8)
    store = JobStore(client, settings)

    def begin(script: Script) -> Job:
        job = claim()
        threading.Thread(target=attempt(job, ScriptedEngine(script), settings, store).run, daemon=True).start()
        return job

    kept = begin(generate_until_cancelled)
    time.sleep(2.0)  # longer than a lease that is not renewed
    assert kept.id not in store.reap().requeued
    store.cancel(kept.id)
    lost = begin(hang)
    wait_for(lambda: lost.id in store.reap().requeued, 5.0)


def test_a_late_attempts_audio_is_removed_and_the_newer_result_stays(
    store: JobStore, storage: Storage, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    """The job is taken away while the late attempt works; it notices at the very end."""
    taken = threading.Event()

    def lose_the_job(handle: Handle) -> np.ndarray:
        store.requeue(job)
        again = store.claim("tiny", "w2")
        assert again is not None
        attempt(again, ScriptedEngine(generate_tone)).run()
        taken.set()
        return generate_tone(handle)

    job = claim()
    attempt(job, ScriptedEngine(lose_the_job)).run()
    assert taken.is_set()
    result = store.reader.get(job.id).result
    assert result is not None
    assert result.key == f"ostinato/results/{job.id}/2.wav"
    assert storage.exists(result.key)
    assert not storage.exists(f"ostinato/results/{job.id}/1.wav")


def test_a_finished_clip_survives_a_restart_of_the_broker(
    broker: EmbeddedBroker, store: JobStore, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    def restart(handle: Handle) -> np.ndarray:
        broker.kill()
        threading.Timer(1.0, broker.start).start()
        return generate_tone(handle)

    job = claim()
    attempt(job, ScriptedEngine(restart)).run()
    assert store.reader.get(job.id).status is Status.COMPLETED


def test_a_lost_reply_to_complete_does_not_lose_the_audio(
    store: JobStore,
    storage: Storage,
    claim: Callable[..., Job],
    attempt: Callable[..., Attempt],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The script ran, its answer did not arrive: the attempt asks again and keeps what it stored."""
    answers: list[str] = []

    def lose_the_first_answer(job: Job, result: Result) -> None:
        JobStore.complete(store, job, result)
        answers.append(job.id)
        if len(answers) == 1:
            raise BrokerUnavailable("the answer was lost")

    monkeypatch.setattr(store, "complete", lose_the_first_answer)
    job = claim()
    attempt(job, ScriptedEngine()).run()
    result = store.reader.get(job.id).result
    assert len(answers) == 2
    assert result is not None
    assert storage.exists(result.key)


def test_a_job_cancelled_while_its_inputs_are_read_never_reaches_the_engine(
    store: JobStore, claim: Callable[..., Job], attempt: Callable[..., Attempt], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_melody(*_: object) -> None:
        store.cancel(job.id)
        wait_for(lambda: asked._keeper is not None and asked._keeper._stale)

    monkeypatch.setattr("worker.jobs.engine_request.read_melody", slow_melody)
    job = claim(melody=MelodyRef(key="k", seconds=1.0, sha256="0").model_dump())
    engine = ScriptedEngine(generate_until_cancelled)
    asked = attempt(job, engine)
    asked.run()
    assert engine.requests == []


def test_a_stuck_request_ends_its_attempt_as_stuck(
    client: redis.Redis,
    make_settings: Callable[..., Settings],
    claim: Callable[..., Job],
    attempt: Callable[..., Attempt],
) -> None:
    settings = make_settings(stuck_after_s=0.5)
    stuck = attempt(claim(), ScriptedEngine(hang), settings, JobStore(client, settings))
    stuck.run()
    assert stuck.stuck


def test_a_job_whose_engine_closes_is_requeued_without_isolation(
    store: JobStore, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    job, engine = claim(), ScriptedEngine(generate_until_cancelled)
    threading.Timer(0.3, engine.close).start()
    attempt(job, engine).run()
    seen = store.reader.get(job.id)
    assert (seen.status, seen.failures) == (Status.QUEUED, 0)


def test_jobs_of_a_dead_engine_are_requeued_like_those_of_a_dead_worker(
    store: JobStore, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    """A device error ends every request: the jobs beside the guilty one are charged no attempt."""

    def die(handle: Handle) -> np.ndarray:
        engine.alive = False
        raise RuntimeError("device-side assert")

    engine = ScriptedEngine(die)
    jobs = [claim(), claim()]
    for job in jobs:
        attempt(job, engine).run()
    assert set(store.reap().requeued) == {job.id for job in jobs}
    assert [store.reader.get(job.id).failures for job in jobs] == [0, 0]


def test_an_attempt_that_leaves_requeues_its_job_unless_it_is_uploading(
    store: JobStore,
    storage: Storage,
    claim: Callable[..., Job],
    attempt: Callable[..., Attempt],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = claim()
    leaving = attempt(job, ScriptedEngine(generate_until_cancelled))
    threading.Timer(0.3, leaving.leave).start()
    leaving.run()
    seen = store.reader.get(job.id)
    assert (seen.status, seen.failures) == (Status.QUEUED, 0)
    store.cancel(job.id)

    put = storage.put
    storing = attempt(job := claim(), ScriptedEngine())

    def put_and_leave(*args: Any, **options: Any) -> Any:
        storing.leave()
        return put(*args, **options)

    monkeypatch.setattr(storage, "put", put_and_leave)
    storing.run()
    assert store.reader.get(job.id).status is Status.COMPLETED
