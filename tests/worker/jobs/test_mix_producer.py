"""The mix of a composition: real stems, the real mix process, a real broker. The engine decodes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from mixing.audio import Audio
from mixing.loudness import measure
from shared.audio.aac import read_aac
from shared.jobs.acceptance import NewJob, SubmitContext
from shared.jobs.audio_chunks import ChunkStore
from shared.jobs.job import Fingerprint, Job, Result, Status, new_id
from shared.jobs.store import JobStore
from shared.music.mix_spec import MixSpec, Part
from shared.music.request import MusicRequest
from shared.settings import ROOT, Settings
from shared.storage import Storage
from tests.audio_fixtures import Waveform, file_of, read_back, tone
from tests.shared.audio.test_aac import program
from tests.submitting import submit_job
from tests.worker.scripted_engine import ScriptedEngine
from tests.worker.waiting import wait_for
from worker.jobs.attempt import Attempt
from worker.jobs.mix_producer import MixProducer, _mixing

pytestmark = pytest.mark.slow

RATE_HZ = 32_000
MADE_BY = Fingerprint("digest", "scripted-1", "fp32", "cpu")
PITCHES = {"piano": 440.0, "bass": 110.0, "drums": 1760.0}
STEMS = {name: tone(hz, 3.0, peak=0.3) for name, hz in PITCHES.items()}
LONG = {name: tone(hz, 20.0, peak=0.3) for name, hz in PITCHES.items()}

Compose = Callable[..., Job]
Make = Callable[[Job], Attempt]


def mix_of(attempt: Attempt) -> MixProducer:
    assert isinstance(attempt._producer, MixProducer)
    return attempt._producer


@pytest.fixture
def compose(store: JobStore, storage: Storage, request_for: Callable[..., MusicRequest]) -> Compose:
    """Stems that are made already, and the claimed job that is to mix them."""

    def compose(stems: Mapping[str, Waveform] = STEMS, mix: dict[str, Any] | None = None, **wish: Any) -> Job:
        whole, ids = new_id(), {name: new_id() for name in stems}
        composition = MixSpec(tuple(Part(*pair) for pair in ids.items()), 94, "A minor", **mix or {})
        jobs = [Job(i, "tiny", request_for(prompt=name), part=name, composition_id=whole) for name, i in ids.items()]
        jobs.append(Job(whole, "tiny", request_for(**wish), after=tuple(ids.values()), composition=composition))
        store.accept([NewJob.of(job, None, None) for job in jobs], SubmitContext("local"))
        for _ in stems:
            job = store.claim("tiny", "w1")
            assert job is not None
            assert job.part is not None
            key = f"ostinato/results/{job.id}/1.wav"
            stored = storage.put(key, file_of(stems[job.part], RATE_HZ), "audio/wav")
            store.complete(job, Result(key, "audio/wav", stored.bytes, "", 3.0, RATE_HZ, 1, 0.5, MADE_BY))
        mix_job = store.claim("tiny", "w1")
        assert mix_job is not None
        assert mix_job.id == whole
        return mix_job

    return compose


@pytest.fixture
def mixdown(store: JobStore, storage: Storage, settings: Settings, client: redis.Redis) -> Make:
    def make(job: Job) -> Attempt:
        return Attempt(job, store, storage, ScriptedEngine(), settings, chunks=ChunkStore(client, settings))

    return make


def outcome(store: JobStore, storage: Storage, job: Job) -> tuple[Job, Waveform]:
    done = store.reader.get(job.id)
    assert done.result is not None, done.error
    waveform, rate_hz = read_back(storage.read(done.result.key))
    assert rate_hz == done.result.sample_rate_hz
    return done, waveform


def share_of(waveform: Waveform, hz: float) -> float:
    """How much of that pitch is in it, as an amplitude."""
    frames = waveform.shape[-1]
    wave = np.exp(2j * np.pi * hz * np.arange(frames) / RATE_HZ)
    return float(2 * abs((waveform * wave).mean()))


def test_a_preset_mixes_all_stems_at_its_loudness_and_equal_stems_give_equal_bytes(
    store: JobStore, storage: Storage, compose: Compose, mixdown: Make
) -> None:
    results = []
    for _ in range(2):
        mixdown(job := compose(mix={"mix_preset": "jazz_club"}, seed=1)).run()
        done, waveform = outcome(store, storage, job)
        results.append(done.result)
    assert results[0] is not None
    assert results[1] is not None
    assert results[0].sha256 == results[1].sha256
    assert (waveform.shape, results[0].channels, results[0].duration_s) == ((2, 96_000), 2, 3.0)
    loudness = measure(Audio(waveform, RATE_HZ))
    assert loudness.lufs == pytest.approx(-18.0, abs=0.5)
    assert loudness.true_peak_dbtp <= -0.95
    for hz in PITCHES.values():
        assert share_of(waveform[0], hz) > 0.01
    assert results[0].fingerprint == MADE_BY
    assert results[0].generation_time_s > 0


def test_levels_panning_and_loudness_of_the_request_are_applied(
    store: JobStore, storage: Storage, compose: Compose, mixdown: Make
) -> None:
    mix = {"levels": {"drums": -96.0}, "panning": {"piano": -1.0, "bass": 1.0}}
    mixdown(job := compose(mix=mix, loudness=-24, output_format="flac")).run()
    done, waveform = outcome(store, storage, job)
    assert done.result is not None
    assert done.result.media_type == "audio/flac"
    assert measure(Audio(waveform, RATE_HZ)).lufs == pytest.approx(-24.0, abs=0.5)
    left, right = waveform
    assert share_of(left, PITCHES["piano"]) > 100 * share_of(right, PITCHES["piano"])
    assert share_of(right, PITCHES["bass"]) > 100 * share_of(left, PITCHES["bass"])
    assert share_of(waveform.mean(axis=0), PITCHES["drums"]) < 1e-4


def test_a_mix_is_written_as_m4a_where_there_is_a_program(
    store: JobStore, storage: Storage, compose: Compose, client: redis.Redis, settings: Settings, ffmpeg: str
) -> None:
    chunks = ChunkStore(client, settings)
    job = compose(output_format="m4a")
    Attempt(job, store, storage, ScriptedEngine(), settings, chunks=chunks, ffmpeg=ffmpeg).run()
    result = store.reader.get(job.id).result
    assert result is not None
    assert (result.media_type, result.channels, result.duration_s) == ("audio/mp4", 2, 3.0)
    waveform, _ = read_aac(storage.read(result.key))
    assert waveform.shape == (2, 96_000)
    for hz in PITCHES.values():
        assert share_of(waveform[0], hz) > 0.01


def test_a_mix_that_is_cancelled_while_it_is_written_leaves_no_file(
    store: JobStore,
    storage: Storage,
    compose: Compose,
    client: redis.Redis,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder := tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    begun = tmp_path / "begun"
    slow = program(tmp_path / "ffmpeg", f'touch "{begun}"\nexec sleep 5')
    chunks, job = ChunkStore(client, settings), compose(output_format="m4a")
    attempt = Attempt(job, store, storage, ScriptedEngine(), settings, chunks=chunks, ffmpeg=slow)
    thread = threading.Thread(target=attempt.run)
    thread.start()
    wait_for(begun.exists)
    assert any(folder.rglob("tags"))
    store.cancel(job.id)
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert list(folder.iterdir()) == []


def test_a_missing_stem_fails_the_mix_by_name(
    store: JobStore, storage: Storage, compose: Compose, mixdown: Make
) -> None:
    job = compose()
    assert job.composition is not None
    storage.delete(f"ostinato/results/{job.composition.parts[1].task_id}/1.wav")
    mixdown(job).run()
    error = store.reader.get(job.id).error
    assert error is not None
    assert error.code == "BLOB_MISSING"


def test_silent_stems_fail_the_mix_as_unusable_audio(store: JobStore, compose: Compose, mixdown: Make) -> None:
    mixdown(job := compose({"piano": np.zeros((1, RATE_HZ), np.float32)})).run()
    error = store.reader.get(job.id).error
    assert error is not None
    assert (error.code, "silent" in error.message) == ("UNUSABLE_AUDIO", True)


def start(attempt: Attempt, until: Callable[[MixProducer], object]) -> threading.Thread:
    """Run the attempt in a thread, until that holds of its mix."""
    thread = threading.Thread(target=attempt.run)
    thread.start()
    wait_for(lambda: until(mix_of(attempt)))
    return thread


def expect_end(attempt: Attempt, thread: threading.Thread) -> None:
    """Expect the end of a mix at once, and of its child."""
    since = time.monotonic()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert time.monotonic() - since < 3
    child = mix_of(attempt)._child
    assert child is not None
    assert child.poll() is not None
    assert attempt.stuck is False


def test_a_mix_ends_at_once_when_its_job_is_cancelled(store: JobStore, compose: Compose, mixdown: Make) -> None:
    attempt = mixdown(job := compose(LONG, mix={"mix_preset": "ambient_space"}))
    thread = start(attempt, lambda mix: mix._share > 0)
    store.cancel(job.id)
    expect_end(attempt, thread)
    assert store.reader.get(job.id).status is Status.CANCELLED


def test_a_mix_whose_process_is_killed_runs_again_as_a_failure(
    store: JobStore, compose: Compose, mixdown: Make
) -> None:
    attempt = mixdown(job := compose(LONG))
    thread = start(attempt, lambda mix: mix._child is not None)
    child = mix_of(attempt)._child
    assert child is not None
    child.kill()
    expect_end(attempt, thread)
    now = store.reader.get(job.id)
    assert (now.status, now.failures) == (Status.QUEUED, 1)


def test_the_wait_for_another_mix_does_not_count_in_the_time_left_and_a_mix_ends_at_once_when_its_worker_leaves(
    store: JobStore, compose: Compose, mixdown: Make
) -> None:
    attempt = mixdown(job := compose(LONG, mix={"mix_preset": "ambient_space"}))
    with _mixing:
        thread = start(attempt, lambda mix: mix._advanced_at)
        attempt._state.stage_since -= 1000
    wait_for(lambda: mix_of(attempt)._share > 0)
    left_s = attempt.left_s()
    assert left_s is not None
    assert left_s < 500
    attempt.leave()
    expect_end(attempt, thread)
    now = store.reader.get(job.id)
    assert (now.status, now.failures) == (Status.QUEUED, 0)


def test_a_killed_workers_mix_runs_on_another_and_has_one_result(
    store: JobStore, client: redis.Redis, storage: Storage, settings: Settings, compose: Compose, mixdown: Make
) -> None:
    """Its child dies with it."""
    job = compose(LONG, mix={"mix_preset": "jazz_club"})
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from shared.jobs.audio_chunks import ChunkStore\nfrom shared.broker.connection import connect\n"
        "from shared.jobs.store import JobStore\n"
        "from shared.settings import Settings\nfrom shared.storage import open_storage\n"
        "from types import SimpleNamespace\nfrom worker.jobs.attempt import Attempt\n"
        "url, folder, job_id = sys.argv[1:]\n"
        "settings = Settings(_env_file=None, redis_url=url, local_storage_path=Path(folder))\n"
        "client = connect(settings)\nstore = JobStore(client, settings)\n"
        "engine = SimpleNamespace(alive=True)  # it is asked for nothing before there is a mix\n"
        "Attempt(store.reader.get(job_id), store, open_storage(settings), engine, settings,\n"
        "        chunks=ChunkStore(client, settings)).run()\n"
    )
    arguments = (settings.redis_url, str(settings.local_storage_path), job.id)
    worker = subprocess.Popen([sys.executable, "-W", "ignore", "-c", program, *arguments], cwd=ROOT)
    wait_for(lambda: store.reader.get(job.id).step >= 96)
    (child,) = children_of(worker.pid)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    wait_for(lambda: not os.path.exists(f"/proc/{child}") or state_of(child) == "Z")
    client.zadd("ostinato:leases", {job.id: 1})
    store.reap()
    again = store.claim("tiny", "w2")
    assert again is not None
    assert (again.id, again.attempt) == (job.id, 2)
    mixdown(again).run()
    done, _ = outcome(store, storage, again)
    assert done.result is not None
    assert done.result.key == f"ostinato/results/{job.id}/2.wav"
    assert sorted(path.name for path in settings.local_storage_path.rglob(f"{job.id}/*.wav")) == ["2.wav"]


def test_a_part_that_follows_the_lead_part_gets_its_audio_as_melody(
    store: JobStore, storage: Storage, settings: Settings, client: redis.Redis, request_for: Callable[..., MusicRequest]
) -> None:
    first = submit_job(store, request_for(), "tiny", account="local", source="tasks")
    engine = ScriptedEngine()
    waits = Job(new_id(), "tiny", request_for(), after=(first.id,), melody_of=first.id)
    store.accept([NewJob.of(waits, None, None)], SubmitContext("local"))
    for _ in range(2):
        job = store.claim("tiny", "w1")
        assert job is not None
        Attempt(job, store, storage, engine, settings, chunks=ChunkStore(client, settings)).run()
    done = store.reader.get(first.id).result
    assert done is not None
    waveform, _ = read_back(storage.read(done.key))
    assert engine.requests[0].melody is None
    assert engine.requests[1].melody is not None
    assert np.array_equal(engine.requests[1].melody, waveform[0])


def children_of(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


def state_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]
