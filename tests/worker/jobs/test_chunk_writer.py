"""One attempt's stream over a real broker: its chunks are, bit for bit, the samples of the file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import redis
import soundfile

from shared.jobs.audio_chunks import ChunkStore
from shared.jobs.job import Job, Status
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from shared.storage import open_storage
from tests.audio_fixtures import read_back
from tests.submitting import submit_job
from tests.worker.jobs.streamed import RATE_HZ, SECONDS, STREAMED, all_of, in_parts, part, pcm_of, run
from tests.worker.scripted_engine import INFO, ScriptedEngine, generate_until_cancelled
from tests.worker.waiting import wait_for
from worker.engine.core.handle import Cancelled, Handle
from worker.engine.core.types import EngineInfo


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
    job = claim(output_format=name, **STREAMED)
    engine = run(job, settings, in_parts(level))
    assert engine.requests[0].stream
    chunks_written = all_of(ChunkStore(client, settings), job)
    assert [chunks_written[0].kind, chunks_written[-1].kind] == ["begin", "end"]
    assert {(entry.rate_hz, entry.channels, entry.attempt) for entry in chunks_written} == {(RATE_HZ, 1, 1)}
    result = store.reader.get(job.id).result
    assert result is not None
    file = tmp_path / f"made.{name}"
    file.write_bytes(open_storage(settings).read(result.key))
    samples, _ = soundfile.read(file, dtype="int16")
    assert samples.tobytes() == pcm_of(chunks_written)
    assert len(samples) == SECONDS * RATE_HZ
    loud = level > 0.2
    assert any(warning.startswith("level: peaks were limited") for warning in result.warnings) == loud
    assert np.abs(samples.astype(int)).max() <= 10 ** (-1 / 20) * 32768
    if not loud:
        raw = np.concatenate([part(number, level) for number in range(6)], axis=1)
        assert np.array_equal(samples, np.rint(raw[0] * 32768).astype(np.int16)), "nothing but the rounding"


def test_stereo_chunks_have_left_before_right(
    claim: Callable[..., Job], settings: Settings, client: redis.Redis
) -> None:
    class Stereo(ScriptedEngine):
        @property
        def info(self) -> EngineInfo:
            return replace(INFO, channels=2)

    left, right = (np.concatenate([part(number, 0.1) for number in range(n, n + 6)], axis=1) for n in (0, 50))
    job = claim(**STREAMED)
    run(job, settings, lambda handle: np.concatenate([left, right]), Stereo)
    chunks_written = all_of(ChunkStore(client, settings), job)
    frames = np.frombuffer(pcm_of(chunks_written), "<i2").reshape(-1, 2)
    assert {entry.channels for entry in chunks_written} == {2}
    assert np.array_equal(frames[:, 1], np.rint(right[0] * 32768))
    assert np.array_equal(frames[:, 0], np.rint(left[0] * 32768))


@pytest.mark.parametrize("name", ["mp3", "ogg", "opus"])
def test_a_lossy_file_is_made_from_those_samples_too(
    claim: Callable[..., Job], store: JobStore, settings: Settings, client: redis.Redis, name: str
) -> None:
    job = claim(output_format=name, **STREAMED)
    run(job, settings, in_parts(0.8))
    streamed_samples = np.frombuffer(pcm_of(all_of(ChunkStore(client, settings), job)), "<i2") / 32768
    result = store.reader.get(job.id).result
    assert result is not None
    waveform, _ = read_back(open_storage(settings).read(result.key))
    assert np.sqrt((waveform**2).mean()) == pytest.approx(np.sqrt((streamed_samples**2).mean()), rel=0.1), (
        "no other level"
    )


def test_the_first_chunk_is_there_long_before_the_end(
    claim: Callable[..., Job], settings: Settings, client: redis.Redis
) -> None:
    job, chunks, seen = claim(**STREAMED), ChunkStore(client, settings), []

    def look(number: int) -> None:
        wait_for(lambda: len(all_of(chunks, job)) == number + 2, 5.0)
        seen.append(number)

    run(job, settings, in_parts(between=look))
    assert seen == [0, 1, 2, 3, 4, 5], "begin, and one for each part before the next is made"


def test_a_new_attempt_begins_with_restart_and_makes_the_same_samples(
    claim: Callable[..., Job], store: JobStore, settings: Settings, client: redis.Redis
) -> None:
    job, chunks = claim(**STREAMED), ChunkStore(client, settings)
    seen: list[bytes] = []

    def fail(number: int) -> None:
        if number == 3:
            wait_for(lambda: len(all_of(chunks, job)) == 5, 5.0)
            seen.append(pcm_of(all_of(chunks, job)))
            raise RuntimeError("the model trips")

    run(job, settings, in_parts(between=fail))
    again = store.claim("tiny", "w2")
    assert again is not None
    assert again.attempt == 2
    run(again, settings, in_parts())
    chunks_written = all_of(chunks, job)
    assert (chunks_written[0].kind, chunks_written[0].attempt) == ("restart", 2)
    assert len(seen[0]) > RATE_HZ
    assert pcm_of(chunks_written).startswith(seen[0])


def test_samples_that_are_nan_or_infinite_are_never_streamed(
    claim: Callable[..., Job], store: JobStore, settings: Settings, client: redis.Redis
) -> None:
    def break_down(handle: Handle) -> np.ndarray:
        handle.add_chunk(part(0))
        handle.add_chunk(np.full((1, 100), np.nan, np.float32))
        return generate_until_cancelled(handle)

    job = claim(**STREAMED)
    engine = run(job, settings, break_down)
    assert engine.handles[0].wait(2.0)
    with pytest.raises(Cancelled):
        engine.handles[0].result()
    seen = store.reader.get(job.id)
    assert (seen.status, seen.error and seen.error.code) == (Status.QUEUED, "UNUSABLE_AUDIO")
    assert [entry.kind for entry in all_of(ChunkStore(client, settings), job)] == ["begin", "audio"]


def test_a_model_that_gives_more_than_was_asked_for_cannot_fill_the_store(
    claim: Callable[..., Job], settings: Settings, client: redis.Redis
) -> None:
    def go_on(handle: Handle) -> np.ndarray:
        for number in range(60):
            handle.add_chunk(part(number))
        return np.concatenate([part(number) for number in range(int(2 * SECONDS))], axis=1)

    job = claim(**STREAMED)
    run(job, settings, go_on)
    assert len(pcm_of(all_of(ChunkStore(client, settings), job))) == 2 * SECONDS * RATE_HZ


def test_an_engine_that_hands_out_everything_at_once_is_streamed_in_chunks_of_a_second(
    claim: Callable[..., Job], settings: Settings, client: redis.Redis
) -> None:
    minutes = np.concatenate([part(number) for number in range(int(2 * SECONDS))], axis=1)
    job = claim(**STREAMED)
    run(job, settings, lambda handle: minutes)
    sizes = [len(entry.pcm) for entry in all_of(ChunkStore(client, settings), job) if entry.kind == "audio"]
    assert sum(sizes) == 2 * SECONDS * RATE_HZ
    assert max(sizes) <= 2 * RATE_HZ


def test_a_stuck_engine_loses_its_streamed_job_as_any_other(
    make_settings: Callable[..., Settings], claim: Callable[..., Job], store: JobStore
) -> None:
    settings = make_settings(stuck_after_s=0.5)
    job = claim(**STREAMED)
    since = time.monotonic()
    run(job, settings, lambda handle: time.sleep(3600))
    assert time.monotonic() - since < 5
    store.reap()
    assert store.reader.get(job.id).status is Status.QUEUED


def test_a_job_that_is_not_streamed_leaves_no_chunks(
    store: JobStore, settings: Settings, client: redis.Redis, request_for: Callable[..., MusicRequest]
) -> None:
    submit_job(store, request_for(duration=1.0), "tiny", account="local", source="tasks")
    job = store.claim("tiny", "w1")
    assert job is not None
    engine = run(job, settings, lambda handle: part(1).repeat(2, axis=1))
    assert not engine.requests[0].stream
    assert all_of(ChunkStore(client, settings), job) == []
    assert store.reader.get(job.id).status is Status.COMPLETED
