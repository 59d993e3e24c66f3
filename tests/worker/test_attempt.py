from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest
import redis

from mixing.audio import Audio
from mixing.loudness import measure
from shared.chunks import ChunkStore
from shared.errors import BrokerUnavailable, OutOfMemory
from shared.job import Job, Result, Stage, Status
from shared.jobstore import JobStore
from shared.request import MusicRequest
from shared.settings import Settings
from shared.sources import MelodyRef
from shared.storage import Storage, open_storage
from tests.sounds import file_of, read_back, tone
from tests.worker.scripted_engine import STEPS, ScriptedEngine, hang, sing, sing_for_ever
from worker.attempt import Attempt
from worker.engine.handle import Handle


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return open_storage(settings)


@pytest.fixture
def claim(store: JobStore, request_for: Callable[..., MusicRequest]) -> Callable[..., Job]:
    """Submit a job and claim it."""

    def claim(**changes: object) -> Job:
        store.submit(request_for(duration=1.0, **changes), "tiny", account="local", source="tasks")
        job = store.claim("tiny", "w1")
        assert job is not None
        return job

    return claim


@pytest.fixture
def attempt(store: JobStore, storage: Storage, settings: Settings, client: redis.Redis) -> Callable[..., Attempt]:
    def make(job: Job, engine: ScriptedEngine, settings: Settings = settings, store: JobStore = store) -> Attempt:
        return Attempt(job, store, storage, engine, settings, chunks=ChunkStore(client, settings))

    return make


def test_a_good_attempt_stores_its_audio_under_its_number_and_completes(
    store: JobStore, storage: Storage, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    job = claim(output_format="flac", seed=3)
    engine = ScriptedEngine()
    attempt(job, engine).run()
    done = store.get(job.id)
    assert done.status is Status.COMPLETED
    assert done.result is not None
    assert done.result.key == f"results/{job.id}/1.flac"
    waveform, rate_hz = read_back(storage.read(done.result.key))
    assert (waveform.shape, rate_hz) == ((1, 32_000), 32_000)
    assert (done.result.fingerprint.checkpoint, done.result.fingerprint.engine) == ("digest", "scripted-1")
    assert (engine.pieces[0].seed, engine.pieces[0].duration_s) == (3, 1.0)


def test_loudness_title_and_opus_reach_the_file_and_the_record_tells_the_files_rate(
    store: JobStore, storage: Storage, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    job = claim(output_format="opus", loudness=-20, title="Night", seed=3)
    attempt(job, ScriptedEngine()).run()
    result = store.get(job.id).result
    assert result is not None
    assert (result.sample_rate_hz, result.media_type, result.duration_s) == (48_000, "audio/ogg", 1.0)
    data = storage.read(result.key)
    assert measure(Audio(*read_back(data))).lufs == pytest.approx(-20, abs=0.5)
    with av.open(io.BytesIO(data)) as file:
        tags = file.streams.audio[0].metadata
    assert (tags["TITLE"], json.loads(tags["COMMENT"])["seed"]) == ("Night", 3)


def test_a_melody_reaches_the_engine_at_the_models_rate(
    storage: Storage, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    storage.put("uploads/x/melody.flac", file_of(tone(440, 1.0, rate_hz=16_000), 16_000, "flac"), "audio/flac")
    job = claim(melody=MelodyRef(key="uploads/x/melody.flac", seconds=1.0, sha256="0").model_dump())
    engine = ScriptedEngine()
    attempt(job, engine).run()
    melody = engine.pieces[0].melody
    assert melody is not None
    assert (melody.shape, melody.dtype) == ((32_000,), np.float32)
    spectrum = np.abs(np.fft.rfft(melody))
    assert abs(int(spectrum.argmax()) - 440) <= 1


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_silent_or_broken_audio_is_a_failed_attempt_and_not_a_result(
    store: JobStore, storage: Storage, claim: Callable[..., Job], attempt: Callable[..., Attempt], value: float
) -> None:
    job = claim()
    attempt(job, ScriptedEngine(lambda handle: np.full((1, 32_000), value, np.float32))).run()
    seen = store.get(job.id)
    assert (seen.status, seen.failures, seen.error and seen.error.code) == (Status.QUEUED, 1, "UNUSABLE_AUDIO")
    assert not storage.exists(f"results/{job.id}/1.wav")


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
    seen = store.get(job.id)
    assert (seen.status, seen.attempt, seen.error and seen.error.code) == (Status.FAILED, 3, "OUT_OF_MEMORY")


def test_a_melody_that_is_gone_fails_at_once_with_its_name(
    store: JobStore, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    job = claim(melody=MelodyRef(key="uploads/gone/melody.flac", seconds=1.0, sha256="0").model_dump())
    attempt(job, ScriptedEngine()).run()
    seen = store.get(job.id)
    assert (seen.status, seen.error and seen.error.code) == (Status.FAILED, "BLOB_MISSING")


def test_a_cancel_stops_the_engine_within_a_second_and_stores_nothing(
    store: JobStore, storage: Storage, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    job, engine = claim(), ScriptedEngine(sing_for_ever)
    running = threading.Thread(target=attempt(job, engine).run)
    running.start()
    time.sleep(0.2)
    store.cancel(job.id)
    running.join(timeout=2.0)
    assert not running.is_alive()
    assert engine.handles[0].cancel_requested
    assert store.get(job.id).status is Status.CANCELLED
    assert not storage.exists(f"results/{job.id}/1.wav")


def test_the_lease_is_kept_while_the_work_advances_and_given_up_when_it_hangs(
    client: redis.Redis,
    make_settings: Callable[..., Settings],
    claim: Callable[..., Job],
    attempt: Callable[..., Attempt],
) -> None:
    settings = make_settings(lease_s=1.2, stuck_after_s=0.8)
    store = JobStore(client, settings)
    for script, requeued in ((sing_for_ever, False), (hang, True)):
        job = claim()
        threading.Thread(target=attempt(job, ScriptedEngine(script), settings, store).run, daemon=True).start()
        time.sleep(3.0)
        assert (job.id in store.sweep().requeued) is requeued
        store.cancel(job.id)


def test_a_late_attempts_audio_is_removed_and_the_newer_result_stays(
    store: JobStore, storage: Storage, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    """The job is taken away while the late attempt works; it notices at the very end."""
    taken = threading.Event()

    def lose_the_job(handle: Handle) -> np.ndarray:
        store.give_back(job)
        again = store.claim("tiny", "w2")
        assert again is not None
        attempt(again, ScriptedEngine(sing)).run()
        taken.set()
        return sing(handle)

    job = claim()
    attempt(job, ScriptedEngine(lose_the_job)).run()
    assert taken.is_set()
    result = store.get(job.id).result
    assert result is not None
    assert result.key == f"results/{job.id}/2.wav"
    assert storage.exists(result.key)
    assert not storage.exists(f"results/{job.id}/1.wav")


def test_the_stage_is_uploading_while_storage_is_slow(
    store: JobStore,
    storage: Storage,
    claim: Callable[..., Job],
    attempt: Callable[..., Attempt],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(*_: object, **__: object) -> None:
        time.sleep(1.2)
        raise AssertionError("seen enough")

    monkeypatch.setattr(storage, "put", slow)
    job = claim()
    running = threading.Thread(target=attempt(job, ScriptedEngine()).run)
    running.start()
    time.sleep(1.0)
    assert store.get(job.id).stage is Stage.UPLOADING
    running.join()


def test_a_finished_piece_survives_a_restart_of_the_broker(
    broker: object, store: JobStore, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    def restart(handle: Handle) -> np.ndarray:
        broker.kill()  # type: ignore[attr-defined]
        threading.Timer(1.0, broker.start).start()  # type: ignore[attr-defined]
        return sing(handle)

    job = claim()
    attempt(job, ScriptedEngine(restart)).run()
    assert store.get(job.id).status is Status.COMPLETED


def test_a_lost_answer_to_complete_does_not_cost_the_audio(
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
    result = store.get(job.id).result
    assert len(answers) == 2
    assert result is not None
    assert storage.exists(result.key)


def test_a_job_cancelled_before_its_piece_began_never_reaches_the_engine(
    store: JobStore, claim: Callable[..., Job], attempt: Callable[..., Attempt], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_melody(*_: object) -> None:
        store.cancel(job.id)
        time.sleep(1.2)

    monkeypatch.setattr("worker.pieces.read_melody", slow_melody)
    job = claim(melody=MelodyRef(key="k", seconds=1.0, sha256="0").model_dump())
    engine = ScriptedEngine(sing_for_ever)
    attempt(job, engine).run()
    assert engine.pieces == []


def test_a_stuck_piece_ends_its_attempt_and_says_so(
    client: redis.Redis,
    make_settings: Callable[..., Settings],
    claim: Callable[..., Job],
    attempt: Callable[..., Attempt],
) -> None:
    settings = make_settings(stuck_after_s=0.5)
    stuck = attempt(claim(), ScriptedEngine(hang), settings, JobStore(client, settings))
    stuck.run()
    assert stuck.stuck


def test_a_job_whose_engine_closes_goes_back_without_a_mark(
    store: JobStore, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    job, engine = claim(), ScriptedEngine(sing_for_ever)
    threading.Timer(0.3, engine.close).start()
    attempt(job, engine).run()
    seen = store.get(job.id)
    assert (seen.status, seen.failures) == (Status.QUEUED, 0)


def test_jobs_of_a_dead_engine_are_swept_like_those_of_a_dead_worker(
    store: JobStore, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    """An error of the device ends every song: those that ran beside the guilty one are not charged."""

    def die(handle: Handle) -> np.ndarray:
        engine.alive = False
        raise RuntimeError("device-side assert")

    engine = ScriptedEngine(die)
    jobs = [claim(), claim()]
    for job in jobs:
        attempt(job, engine).run()
    assert set(store.sweep().requeued) == {job.id for job in jobs}
    assert [store.get(job.id).failures for job in jobs] == [0, 0]


def test_an_attempt_that_leaves_gives_its_job_back_unless_it_is_being_stored(
    store: JobStore,
    storage: Storage,
    claim: Callable[..., Job],
    attempt: Callable[..., Attempt],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = claim()
    leaving = attempt(job, ScriptedEngine(sing_for_ever))
    threading.Timer(0.3, leaving.leave).start()
    leaving.run()
    seen = store.get(job.id)
    assert (seen.status, seen.failures) == (Status.QUEUED, 0)
    store.cancel(job.id)

    put = storage.put
    storing = attempt(job := claim(), ScriptedEngine())

    def put_and_leave(*args: Any, **options: Any) -> Any:
        storing.leave()
        return put(*args, **options)

    monkeypatch.setattr(storage, "put", put_and_leave)
    storing.run()
    assert store.get(job.id).status is Status.COMPLETED


def test_what_is_left_of_an_attempt_follows_its_steps(
    claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    half = threading.Event()

    def sing_half(handle: Handle) -> np.ndarray:
        time.sleep(0.5)
        handle.advance(STEPS // 2, "decoding")
        half.set()
        time.sleep(0.5)
        return sing(handle)

    running = attempt(claim(), ScriptedEngine(sing_half))
    assert running.left_s() is None
    thread = threading.Thread(target=running.run)
    thread.start()
    assert half.wait(5)
    left_s = running.left_s()
    thread.join()
    assert left_s is not None
    assert 0.3 < left_s < 1.5


def test_what_the_engine_could_not_do_to_the_letter_is_in_the_result(
    store: JobStore, claim: Callable[..., Job], attempt: Callable[..., Attempt], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = claim()
    finish = Handle.finish
    monkeypatch.setattr(Handle, "finish", lambda self, clip: finish(self, replace(clip, warnings=("cut short",))))
    attempt(job, ScriptedEngine()).run()
    result = store.get(job.id).result
    assert result is not None
    assert result.warnings == ("cut short",)
