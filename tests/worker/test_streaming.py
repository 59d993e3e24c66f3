"""One attempt's stream over a real broker: what listeners hear is, bit for bit, what the file is made from."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import redis
import soundfile

from shared.chunks import Chunk, ChunkStore
from shared.connection import connect
from shared.job import Job, Status
from shared.jobstore import JobStore
from shared.request import MusicRequest
from shared.settings import Settings
from shared.storage import open_storage
from stack.broker import EmbeddedBroker
from tests.sounds import read_back
from tests.worker.scripted_engine import INFO, Script, ScriptedEngine
from worker.attempt import Attempt
from worker.engine.handle import Handle
from worker.engine.info import EngineInfo

RATE_HZ = 32_000
SECONDS = 3.0


def part(number: int, level: float = 0.4) -> np.ndarray:
    """Half a second that is like no other. [channels, samples]"""
    random = np.random.default_rng(number)
    return (level * random.normal(0, 1, (1, RATE_HZ // 2))).astype(np.float32)


def in_parts(level: float = 0.4, between: Callable[[int], None] = lambda number: None) -> Script:
    def sing(handle: Handle) -> np.ndarray:
        parts = [part(number, level) for number in range(int(2 * SECONDS))]
        for number, each in enumerate(parts):
            handle.advance(number, "decoding")
            handle.add_chunk(each)
            between(number)
        return np.concatenate(parts, axis=1)

    return sing


@pytest.fixture
def claim(store: JobStore, request_for: Callable[..., MusicRequest]) -> Callable[..., Job]:
    def claim(**changes: object) -> Job:
        request = request_for(duration=SECONDS, stream=True, **changes)
        store.submit(request, "tiny", account="local", source="tasks")
        job = store.claim("tiny", "w1")
        assert job is not None
        return job

    return claim


def run(job: Job, settings: Settings, script: Script, kind: type[ScriptedEngine] = ScriptedEngine) -> ScriptedEngine:
    client = connect(settings)
    engine = kind(script)
    chunks = ChunkStore(client, settings)
    Attempt(job, JobStore(client, settings), open_storage(settings), engine, settings, chunks=chunks).run()
    return engine


def pcm_of(entries: list[Chunk]) -> bytes:
    return b"".join(entry.pcm for entry in entries)


def all_of(chunks: ChunkStore, job: Job) -> list[Chunk]:
    return chunks.read(job.id, count=1000)


@pytest.mark.parametrize("level", [0.1, 0.8])
@pytest.mark.parametrize("name", ["wav", "flac"])
def test_joined_chunks_equal_the_files_samples_bit_for_bit(
    claim: Callable[..., Job],
    store: JobStore,
    settings: Settings,
    client: redis.Redis,
    tmp_path: Path,
    level: float,
    name: str,
) -> None:
    job = claim(output_format=name)
    engine = run(job, settings, in_parts(level))
    assert engine.pieces[0].stream
    told = all_of(ChunkStore(client, settings), job)
    assert [told[0].kind, told[-1].kind] == ["begin", "end"]
    assert {(entry.rate_hz, entry.channels, entry.attempt) for entry in told} == {(RATE_HZ, 1, 1)}
    result = store.get(job.id).result
    assert result is not None
    file = tmp_path / f"made.{name}"
    file.write_bytes(open_storage(settings).read(result.key))
    samples, _ = soundfile.read(file, dtype="int16")
    assert samples.tobytes() == pcm_of(told)
    assert len(samples) == SECONDS * RATE_HZ
    loud = level > 0.2
    assert any(warning.startswith("level: peaks were limited") for warning in result.warnings) == loud
    assert np.abs(samples.astype(int)).max() <= 10 ** (-1 / 20) * 32768
    if not loud:
        raw = np.concatenate([part(number, level) for number in range(6)], axis=1)
        assert np.array_equal(samples, np.rint(raw[0] * 32768).astype(np.int16)), "nothing but the rounding"


def test_stereo_is_told_left_before_right(claim: Callable[..., Job], settings: Settings, client: redis.Redis) -> None:
    class Stereo(ScriptedEngine):
        @property
        def info(self) -> EngineInfo:
            return replace(INFO, channels=2)

    left, right = (np.concatenate([part(number, 0.1) for number in range(n, n + 6)], axis=1) for n in (0, 50))
    job = claim()
    run(job, settings, lambda handle: np.concatenate([left, right]), Stereo)
    told = all_of(ChunkStore(client, settings), job)
    frames = np.frombuffer(pcm_of(told), "<i2").reshape(-1, 2)
    assert {entry.channels for entry in told} == {2}
    assert np.array_equal(frames[:, 1], np.rint(right[0] * 32768))
    assert np.array_equal(frames[:, 0], np.rint(left[0] * 32768))


@pytest.mark.parametrize("name", ["mp3", "ogg", "opus"])
def test_a_lossy_file_is_made_from_those_samples_too(
    claim: Callable[..., Job], store: JobStore, settings: Settings, client: redis.Redis, name: str
) -> None:
    job = claim(output_format=name)
    run(job, settings, in_parts(0.8))
    heard = np.frombuffer(pcm_of(all_of(ChunkStore(client, settings), job)), "<i2") / 32768
    result = store.get(job.id).result
    assert result is not None
    waveform, _ = read_back(open_storage(settings).read(result.key))
    assert np.sqrt((waveform**2).mean()) == pytest.approx(np.sqrt((heard**2).mean()), rel=0.1), "no other level"


def test_the_first_chunk_is_there_long_before_the_end(
    claim: Callable[..., Job], settings: Settings, client: redis.Redis
) -> None:
    job, chunks, counts = claim(), ChunkStore(client, settings), []

    def look(number: int) -> None:
        time.sleep(0.1)
        counts.append(len(all_of(chunks, job)))

    run(job, settings, in_parts(between=look))
    assert counts == [2, 3, 4, 5, 6, 7], "begin, and one for each part as it comes"


def test_a_new_attempt_begins_with_restart_and_makes_the_same_samples(
    claim: Callable[..., Job], store: JobStore, settings: Settings, client: redis.Redis
) -> None:
    job, chunks = claim(), ChunkStore(client, settings)
    seen: list[bytes] = []

    def fail(number: int) -> None:
        if number == 3:
            time.sleep(0.2)
            seen.append(pcm_of(all_of(chunks, job)))
            raise RuntimeError("the model trips")

    run(job, settings, in_parts(between=fail))
    again = store.claim("tiny", "w2")
    assert again is not None
    assert again.attempt == 2
    run(again, settings, in_parts())
    told = all_of(chunks, job)
    assert (told[0].kind, told[0].attempt) == ("restart", 2)
    assert len(seen[0]) > RATE_HZ
    assert pcm_of(told).startswith(seen[0])


def test_samples_that_are_no_numbers_are_never_told(
    claim: Callable[..., Job], store: JobStore, settings: Settings, client: redis.Redis
) -> None:
    def break_down(handle: Handle) -> np.ndarray:
        handle.add_chunk(part(0))
        handle.add_chunk(np.full((1, 100), np.nan, np.float32))
        time.sleep(5)
        raise AssertionError("should have been cancelled")

    job = claim()
    run(job, settings, break_down)
    seen = store.get(job.id)
    assert (seen.status, seen.error and seen.error.code) == (Status.QUEUED, "UNUSABLE_AUDIO")
    assert [entry.kind for entry in all_of(ChunkStore(client, settings), job)] == ["begin", "audio"]


def test_a_model_that_gives_more_than_was_asked_for_cannot_fill_the_store(
    claim: Callable[..., Job], settings: Settings, client: redis.Redis
) -> None:
    def go_on(handle: Handle) -> np.ndarray:
        for number in range(60):
            handle.add_chunk(part(number))
        return np.concatenate([part(number) for number in range(int(2 * SECONDS))], axis=1)

    job = claim()
    run(job, settings, go_on)
    assert len(pcm_of(all_of(ChunkStore(client, settings), job))) == 2 * SECONDS * RATE_HZ


def test_an_engine_that_hands_out_everything_at_once_is_still_told_by_the_second(
    claim: Callable[..., Job], settings: Settings, client: redis.Redis
) -> None:
    whole = np.concatenate([part(number) for number in range(int(2 * SECONDS))], axis=1)
    job = claim()
    run(job, settings, lambda handle: whole)
    sizes = [len(entry.pcm) for entry in all_of(ChunkStore(client, settings), job) if entry.kind == "audio"]
    assert sum(sizes) == 2 * SECONDS * RATE_HZ
    assert max(sizes) <= 2 * RATE_HZ


def test_a_stuck_engine_loses_its_streamed_job_as_any_other(
    make_settings: Callable[..., Settings], claim: Callable[..., Job], store: JobStore
) -> None:
    settings = make_settings(stuck_after_s=0.5)
    job = claim()
    since = time.monotonic()
    run(job, settings, lambda handle: time.sleep(3600))  # type: ignore[arg-type, return-value]
    assert time.monotonic() - since < 5
    store.sweep()
    assert store.get(job.id).status is Status.QUEUED


@pytest.fixture
def own_broker(tmp_path: Path) -> EmbeddedBroker:
    return EmbeddedBroker(tmp_path / "own")


def test_a_broker_that_is_away_meanwhile_costs_no_sound_and_no_job(
    own_broker: EmbeddedBroker, make_settings: Callable[..., Settings], request_for: Callable[..., MusicRequest]
) -> None:
    with own_broker:
        settings = make_settings(redis_url=own_broker.url, lease_s=30.0)
        store, chunks = JobStore(connect(settings), settings), ChunkStore(connect(settings), settings)
        store.submit(request_for(duration=SECONDS, stream=True), "tiny", account="local", source="tasks")
        job = store.claim("tiny", "w1")
        assert job is not None

        def cut(number: int) -> None:
            if number == 1:
                time.sleep(0.3)
                own_broker.kill()
            if number == int(2 * SECONDS) - 1:
                threading.Timer(1.0, own_broker.start).start()
            time.sleep(0.1)

        run(job, settings, in_parts(between=cut))
        done = store.get(job.id)
        assert (done.status, done.attempt) == (Status.COMPLETED, 1)
        told = all_of(chunks, job)
        assert [entry.number for entry in told] == list(range(1, len(told) + 1))
        assert told[-1].kind == "end"
        assert done.result is not None
        waveform, _ = read_back(open_storage(settings).read(done.result.key))
        assert np.array_equal(np.rint(waveform[0] * 32768).astype("<i2"), np.frombuffer(pcm_of(told), "<i2"))


def test_a_broker_that_does_not_answer_makes_nobody_believe_that_the_engine_is_stuck(
    own_broker: EmbeddedBroker, make_settings: Callable[..., Settings], request_for: Callable[..., MusicRequest]
) -> None:
    """It takes connections and says nothing, so each try to send lasts until its timeout."""
    with own_broker:
        settings = make_settings(redis_url=own_broker.url, redis_timeout_s=0.5, stuck_after_s=3.0, lease_s=60.0)
        store = JobStore(connect(settings), settings)
        store.submit(request_for(duration=10.0, stream=True), "tiny", account="local", source="tasks")
        job = store.claim("tiny", "w1")
        assert job is not None

        def sing(handle: Handle) -> np.ndarray:
            time.sleep(0.3)
            os.kill(own_broker.pid, signal.SIGSTOP)
            threading.Timer(7.0, os.kill, (own_broker.pid, signal.SIGCONT)).start()
            parts = [part(number) for number in range(20)]
            for each in parts:
                handle.add_chunk(each)
            return np.concatenate(parts, axis=1)

        client = connect(settings)
        chunks, storage = ChunkStore(client, settings), open_storage(settings)
        attempt = Attempt(job, store, storage, ScriptedEngine(sing), settings, chunks=chunks)
        attempt.run()
        assert not attempt.stuck
        assert store.get(job.id).status is Status.COMPLETED
        assert chunks.read(job.id, count=1000)[-1].kind == "end"


def test_what_a_broker_has_lost_just_before_the_end_is_there_when_the_job_is_completed(
    claim: Callable[..., Job], store: JobStore, settings: Settings, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its host died, and it came back without its last second."""
    job, chunks, storage = claim(), ChunkStore(client, settings), open_storage(settings)
    plain, stream = redis.Redis.from_url(settings.redis_url), f"ostinato:chunks:{job.id}"

    def lose(key: str, *what: object, **how: object) -> object:
        if key.endswith(".wav"):
            left = plain.xrange(stream)[:-3]
            plain.delete(stream)
            for place, fields in left:
                plain.xadd(stream, fields, id=place)
            plain.hset(f"ostinato:job:{job.id}", "chunk", left[-1][0])
        return put(key, *what, **how)

    put = storage.put
    monkeypatch.setattr(storage, "put", lose)
    Attempt(job, store, storage, ScriptedEngine(in_parts()), settings, chunks=chunks).run()
    assert store.get(job.id).status is Status.COMPLETED
    told = all_of(chunks, job)
    assert (told[-1].kind, len(pcm_of(told))) == ("end", 2 * SECONDS * RATE_HZ)


def test_a_job_that_is_not_streamed_leaves_no_chunks(
    store: JobStore, settings: Settings, client: redis.Redis, request_for: Callable[..., MusicRequest]
) -> None:
    store.submit(request_for(duration=1.0), "tiny", account="local", source="tasks")
    job = store.claim("tiny", "w1")
    assert job is not None
    engine = run(job, settings, lambda handle: part(1).repeat(2, axis=1))
    assert not engine.pieces[0].stream
    assert all_of(ChunkStore(client, settings), job) == []
    assert store.get(job.id).status is Status.COMPLETED
