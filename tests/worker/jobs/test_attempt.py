"""One attempt that goes well: what reaches the engine, the file and the record."""

from __future__ import annotations

import io
import json
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest

from mixing.audio import Audio
from mixing.loudness import measure
from shared.jobs.job import Job, Stage, Status
from shared.jobs.store import JobStore
from shared.music.audio_refs import MelodyRef
from shared.storage import Storage
from tests.audio_fixtures import file_of, read_back, tone
from tests.worker.scripted_engine import STEPS, ScriptedEngine, generate_tone
from tests.worker.waiting import wait_for
from worker.engine.core.handle import Handle
from worker.jobs.attempt import Attempt


def test_a_good_attempt_stores_its_audio_under_its_number_and_completes(
    store: JobStore, storage: Storage, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    job = claim(output_format="flac", seed=3)
    engine = ScriptedEngine()
    attempt(job, engine).run()
    done = store.reader.get(job.id)
    assert done.status is Status.COMPLETED
    assert done.result is not None
    assert done.result.key == f"ostinato/results/{job.id}/1.flac"
    waveform, rate_hz = read_back(storage.read(done.result.key))
    assert (waveform.shape, rate_hz) == ((1, 32_000), 32_000)
    assert (done.result.fingerprint.checkpoint, done.result.fingerprint.engine) == ("digest", "scripted-1")
    assert (engine.requests[0].seed, engine.requests[0].duration_s) == (3, 1.0)


def test_loudness_title_and_opus_reach_the_file_and_the_record_tells_the_files_rate(
    store: JobStore, storage: Storage, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    job = claim(output_format="opus", loudness=-20, title="Night", seed=3)
    attempt(job, ScriptedEngine()).run()
    result = store.reader.get(job.id).result
    assert result is not None
    assert (result.sample_rate_hz, result.media_type, result.duration_s) == (48_000, "audio/ogg", 1.0)
    data = storage.read(result.key)
    assert measure(Audio(*read_back(data))).lufs == pytest.approx(-20, abs=0.5)
    with av.open(io.BytesIO(data)) as file:
        tags = file.streams.audio[0].metadata
    assert (tags["TITLE"], json.loads(tags["COMMENT"])["seed"]) == ("Night", 3)


@pytest.mark.parametrize("stream", [False, True])
def test_an_m4a_is_stored_under_its_own_name_and_type_streamed_or_not(
    store: JobStore,
    storage: Storage,
    claim: Callable[..., Job],
    attempt: Callable[..., Attempt],
    ffmpeg: str,
    stream: bool,
) -> None:
    job = claim(output_format="m4a", title="Night", seed=3, stream=stream)
    attempt(job, ScriptedEngine(), ffmpeg=ffmpeg).run()
    result = store.reader.get(job.id).result
    assert result is not None
    assert (result.key, result.media_type) == (f"ostinato/results/{job.id}/1.m4a", "audio/mp4")
    assert (result.sample_rate_hz, result.duration_s) == (32_000, 1.0)
    with av.open(io.BytesIO(storage.read(result.key))) as file:
        assert file.streams.audio[0].duration == 32_000
        assert (file.metadata["title"], json.loads(file.metadata["comment"])["seed"]) == ("Night", 3)


def test_a_melody_reaches_the_engine_at_the_models_rate(
    storage: Storage, claim: Callable[..., Job], attempt: Callable[..., Attempt]
) -> None:
    stored = storage.put("uploads/x/melody.flac", file_of(tone(440, 1.0, rate_hz=16_000), 16_000, "flac"), "audio/flac")
    job = claim(melody=MelodyRef(key=stored.key, seconds=1.0, sha256=stored.sha256).model_dump())
    engine = ScriptedEngine()
    attempt(job, engine).run()
    melody = engine.requests[0].melody
    assert melody is not None
    assert (melody.shape, melody.dtype) == ((32_000,), np.float32)
    spectrum = np.abs(np.fft.rfft(melody))
    assert abs(int(spectrum.argmax()) - 440) <= 1


def test_the_stage_is_uploading_while_storage_is_slow(
    store: JobStore,
    storage: Storage,
    claim: Callable[..., Job],
    attempt: Callable[..., Attempt],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = threading.Event()

    def slow(*_: object, **__: object) -> None:
        seen.wait(30)
        raise AssertionError("seen enough")

    monkeypatch.setattr(storage, "put", slow)
    job = claim()
    running = threading.Thread(target=attempt(job, ScriptedEngine()).run)
    running.start()
    wait_for(lambda: store.reader.get(job.id).stage is Stage.UPLOADING)
    seen.set()
    running.join()


def test_no_samples_stay_in_memory_while_the_store_is_away(
    storage: Storage, claim: Callable[..., Job], attempt: Callable[..., Attempt], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be away for minutes, and as many finished clips wait for it as a worker has threads."""
    made: list[weakref.ref[np.ndarray]] = []
    in_memory: list[bool] = []

    def sing_minutes(handle: Handle) -> np.ndarray:
        waveform = tone(seconds=1.0)
        made.append(weakref.ref(waveform))
        return waveform

    def look(*args: Any, **options: Any) -> Any:
        wait_for(lambda: made[-1]() is None, 5.0)
        in_memory.append(False)
        return put(*args, **options)

    put = storage.put
    monkeypatch.setattr(storage, "put", look)
    for stream in (False, True):
        engine = ScriptedEngine(sing_minutes)
        attempt(claim(stream=stream), engine).run()
    assert in_memory == [False] * 4, "two files, and two of codes"


def test_an_attempts_time_left_follows_its_steps(claim: Callable[..., Job], attempt: Callable[..., Attempt]) -> None:
    half = threading.Event()

    def sing_half(handle: Handle) -> np.ndarray:
        time.sleep(0.5)
        handle.advance(STEPS // 2, "decoding")
        half.set()
        time.sleep(0.5)
        return generate_tone(handle)

    running = attempt(claim(), ScriptedEngine(sing_half))
    assert running.left_s() is None
    thread = threading.Thread(target=running.run)
    thread.start()
    assert half.wait(5)
    left_s = running.left_s()
    thread.join()
    assert left_s is not None
    assert 0.3 < left_s < 1.5


def test_the_engines_warnings_are_in_the_result(
    store: JobStore, claim: Callable[..., Job], attempt: Callable[..., Attempt], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = claim()
    finish = Handle.finish
    monkeypatch.setattr(Handle, "finish", lambda self, clip: finish(self, replace(clip, warnings=("cut short",))))
    attempt(job, ScriptedEngine()).run()
    result = store.reader.get(job.id).result
    assert result is not None
    assert result.warnings == ("cut short",)
