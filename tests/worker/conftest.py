"""Fixtures for the tests of single attempts: a store, a claimed job, and the attempt at it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from shared.jobs.audio_chunks import ChunkStore
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from shared.storage import Storage, open_storage
from tests.submitting import submit_job
from tests.worker.scripted_engine import ScriptedEngine
from worker.jobs.attempt import Attempt


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return open_storage(settings)


@pytest.fixture
def claim(store: JobStore, request_for: Callable[..., MusicRequest]) -> Callable[..., Job]:
    """Submit a job and claim it."""

    def claim(**changes: object) -> Job:
        submit_job(store, request_for(**{"duration": 1.0} | changes), "tiny", account="local", source="tasks")
        job = store.claim("tiny", "w1")
        assert job is not None
        return job

    return claim


@pytest.fixture
def chunks(client: redis.Redis, settings: Settings) -> ChunkStore:
    return ChunkStore(client, settings)


@pytest.fixture
def attempt(store: JobStore, storage: Storage, settings: Settings, chunks: ChunkStore) -> Callable[..., Attempt]:
    def make(
        job: Job,
        engine: ScriptedEngine,
        settings: Settings = settings,
        store: JobStore = store,
        ffmpeg: str | None = None,
    ) -> Attempt:
        return Attempt(job, store, storage, engine, settings, chunks=chunks, ffmpeg=ffmpeg)

    return make
