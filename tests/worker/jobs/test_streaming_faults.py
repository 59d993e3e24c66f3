"""A stream whose broker goes away, hangs, or has lost its last second loses no audio and no job."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import redis

from shared.broker.connection import connect
from shared.jobs.audio_chunks import ChunkStore
from shared.jobs.job import Job, Status
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from shared.storage import open_storage
from stack.broker import EmbeddedBroker
from tests.audio_fixtures import read_back
from tests.submitting import submit_job
from tests.worker.jobs.streamed import RATE_HZ, SECONDS, STREAMED, all_of, in_parts, part, pcm_of, run
from tests.worker.scripted_engine import ScriptedEngine
from tests.worker.waiting import wait_for
from worker.engine.core.handle import Handle
from worker.jobs.attempt import Attempt


@pytest.fixture
def own_broker(tmp_path: Path) -> EmbeddedBroker:
    return EmbeddedBroker(tmp_path / "own")


def test_a_broker_that_is_away_meanwhile_loses_no_audio_and_no_job(
    own_broker: EmbeddedBroker, make_settings: Callable[..., Settings], request_for: Callable[..., MusicRequest]
) -> None:
    with own_broker:
        settings = make_settings(redis_url=own_broker.url, lease_s=30.0)
        store, chunks = JobStore(connect(settings), settings), ChunkStore(connect(settings), settings)
        submit_job(store, request_for(duration=SECONDS, stream=True), "tiny", account="local", source="tasks")
        job = store.claim("tiny", "w1")
        assert job is not None

        def cut(number: int) -> None:
            if number == 1:
                wait_for(lambda: all_of(chunks, job))
                own_broker.kill()
            if number == int(2 * SECONDS) - 1:
                threading.Timer(1.0, own_broker.start).start()
            time.sleep(0.1)

        run(job, settings, in_parts(between=cut))
        done = store.reader.get(job.id)
        assert (done.status, done.attempt) == (Status.COMPLETED, 1)
        chunks_written = all_of(chunks, job)
        assert [entry.number for entry in chunks_written] == list(range(1, len(chunks_written) + 1))
        assert chunks_written[-1].kind == "end"
        assert done.result is not None
        waveform, _ = read_back(open_storage(settings).read(done.result.key))
        assert np.array_equal(np.rint(waveform[0] * 32768).astype("<i2"), np.frombuffer(pcm_of(chunks_written), "<i2"))


@pytest.mark.slow
def test_a_broker_that_does_not_reply_does_not_make_the_engine_count_as_stuck(
    own_broker: EmbeddedBroker, make_settings: Callable[..., Settings], request_for: Callable[..., MusicRequest]
) -> None:
    """It takes connections and says nothing, so each try to send lasts until its timeout."""
    with own_broker:
        settings = make_settings(redis_url=own_broker.url, redis_timeout_s=0.25, stuck_after_s=1.0, lease_s=60.0)
        store, chunks = JobStore(connect(settings), settings), ChunkStore(connect(settings), settings)
        submit_job(store, request_for(duration=10.0, stream=True), "tiny", account="local", source="tasks")
        job = store.claim("tiny", "w1")
        assert job is not None

        def generate_tone(handle: Handle) -> np.ndarray:
            wait_for(lambda: all_of(chunks, job))
            os.kill(own_broker.pid, signal.SIGSTOP)
            threading.Timer(2.5, os.kill, (own_broker.pid, signal.SIGCONT)).start()
            parts = [part(number) for number in range(20)]
            for each in parts:
                handle.add_chunk(each)
            return np.concatenate(parts, axis=1)

        storage = open_storage(settings)
        attempt = Attempt(job, store, storage, ScriptedEngine(generate_tone), settings, chunks=chunks)
        attempt.run()
        assert not attempt.stuck
        assert store.reader.get(job.id).status is Status.COMPLETED
        assert chunks.read(job.id, count=1000)[-1].kind == "end"


def test_chunks_that_the_broker_lost_before_the_end_are_written_again_before_completion(
    claim: Callable[..., Job], store: JobStore, settings: Settings, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its host died, and it came back without its last second."""
    job, chunks, storage = claim(**STREAMED), ChunkStore(client, settings), open_storage(settings)
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
    assert store.reader.get(job.id).status is Status.COMPLETED
    chunks_written = all_of(chunks, job)
    assert (chunks_written[-1].kind, len(pcm_of(chunks_written))) == ("end", 2 * SECONDS * RATE_HZ)
