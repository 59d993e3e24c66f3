"""Listening in this process, where the test says when the listener goes on: what a proper end is worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import redis
from flask.testing import FlaskClient

from api.auth.authenticate import expect_valid_key
from api.auth.keys import Allowance, Keys
from api.streaming.resume import BrokenOff
from shared.errors import GenerationFailed, Unauthorized
from shared.jobs.audio_chunks import Chunk, ChunkStore, Kind
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings

Finish = Callable[[Job, bytes], Job]


@pytest.fixture
def sing(store: JobStore, client: redis.Redis, settings: Settings) -> Callable[[], Job]:
    """The next attempt, with all of its sound."""
    chunks = ChunkStore(client, settings)

    def sing() -> Job:
        job = store.claim("tiny", "w1")
        assert job is not None
        sound = np.full(8000, job.attempt, "<i2").tobytes()
        kinds: list[Kind] = ["begin" if job.attempt == 1 else "restart", "audio", "end"]
        told = [
            Chunk(job.attempt, n, kind, 32_000, 1, sound if kind == "audio" else b"") for n, kind in enumerate(kinds, 1)
        ]
        assert chunks.write(job, told) == 3
        return job

    return sing


def hear(sound: Iterator[bytes], size: int) -> None:
    heard = 0
    while heard < size:
        heard += len(next(sound))


def test_a_whole_attempt_that_is_not_the_kept_one_has_no_proper_end(
    api: FlaskClient, store: JobStore, client: redis.Redis, finish: Finish, sing: Callable[[], Job]
) -> None:
    """Its worker died while it stored the file; and a slow listener missed the next attempt's sound."""
    task_id = api.post("/tasks", json={"prompt": "x", "stream": True}).get_json()["task_id"]
    first = sing()
    sound = iter(api.get(f"/tasks/{task_id}/stream", buffered=False).response)
    hear(sound, 44 + 16_000)
    store.fail(first, GenerationFailed("once"))
    finish(sing(), b"a file")
    client.delete(f"ostinato:chunks:{task_id}")
    with pytest.raises(BrokenOff, match="expired"):
        b"".join(sound)


def test_a_connection_without_a_key_ends_when_the_first_one_is_made(api: FlaskClient, client: redis.Redis) -> None:
    keys = Keys(client)
    with api.application.test_request_context():
        expect_valid_key(keys)
        Keys(client).create("first", Allowance())
        keys = Keys(client)
        with pytest.raises(Unauthorized, match="connect again"):
            expect_valid_key(keys)
