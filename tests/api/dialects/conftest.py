"""Serve the dialects over a real broker and a real folder. A thread plays the worker: it claims, and completes."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pytest
import redis
import soundfile
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.keys import Keys
from shared.broker.connection import connect
from shared.errors import BrokerUnavailable, StaleAttempt
from shared.jobs.job import Fingerprint, Job, Result
from shared.jobs.store import JobStore
from shared.music.formats import FORMATS as MEDIA
from shared.settings import Settings
from shared.storage import Storage, open_storage
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.shared.steps import final

ALIASES = dict.fromkeys(("small", "medium", "large", "melody", "9eb182ubs5j0jf"), "tiny")
FORMATS = {"wav": "WAV", "mp3": "MP3", "ogg": "OGG", "flac": "FLAC"}
FAILING_PROMPT = "please fail"
END_TIMEOUT_S = 10.0
IDLE_S = 0.03  # between two looks for a job: each is a script on the broker


def audio_of(job: Job) -> bytes:
    """Return a quiet tone as long as asked, in the format asked for."""
    at = np.arange(round(job.request.duration_s * 32000)) / 32000
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.1 * np.sin(2 * np.pi * 220 * at), 32000, format=FORMATS[job.request.output_format])
    return buffer.getvalue()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def await_end(api: FlaskClient, path: str, *going_on: str) -> dict[str, Any]:
    """Poll an address while its `status` is one of `going_on`; return its first other response."""
    give_up_at = time.monotonic() + END_TIMEOUT_S
    while time.monotonic() < give_up_at:
        task: dict[str, Any] = api.get(path).json or {}
        if task["status"] not in going_on:
            return task
        time.sleep(0.05)
    raise AssertionError(f"{path} did not end")


class Player:
    """Play a worker for `tiny` that makes a tone of everything, and fails what asks for it."""

    def __init__(self, settings: Settings) -> None:
        self._store = JobStore(connect(settings), settings)
        self._storage = open_storage(settings)
        self._stop = threading.Event()
        self._claiming = threading.Lock()
        self._rests = False
        self.spoil: Callable[[Storage, str], None] = lambda storage, key: None  # what becomes of each stored file
        self.seen: list[Job] = []
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def rest(self) -> None:
        """Claim nothing from now on."""
        with self._claiming:
            self._rests = True

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Claim nothing inside."""
        self.rest()
        yield
        self._rests = False

    def _loop(self) -> None:
        while not self._stop.wait(IDLE_S):
            # a machine under load may let the broker's answer wait for too long: as a worker would, it goes on
            with suppress(BrokerUnavailable, StaleAttempt):
                self._turn()

    def _turn(self) -> None:
        with self._claiming:
            job = None if self._rests else self._store.claim("tiny", "w1")
        if job is None:
            return
        self.seen.append(job)
        self._perform(job)

    def _perform(self, job: Job) -> None:
        while not self._stop.is_set():
            try:
                self._play(job)
                break
            except BrokerUnavailable:
                self._stop.wait(0.1)

    def _play(self, job: Job) -> None:
        if job.request.prompt == FAILING_PROMPT:
            self._store.fail(job, final("Model loading failed: Out of memory"))
            return
        audio = audio_of(job)
        extension = job.request.output_format
        media_type = MEDIA[extension].media_type
        stored = self._storage.put(self._storage.names.result(job.id, job.attempt, extension), audio, media_type)
        self.spoil(self._storage, stored.key)
        fingerprint = Fingerprint("digest", "engine-1", "fp32", "cpu")
        seconds = job.request.duration_s
        result = Result(stored.key, media_type, stored.bytes, stored.sha256, seconds, 32000, 1, 0.5, fingerprint)
        self._store.complete(job, result)


@pytest.fixture
def keys(client: redis.Redis) -> Keys:
    return Keys(client)


@pytest.fixture
def dialect_settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(model_aliases=ALIASES, default_model="small")


@pytest.fixture
def player(client: redis.Redis, dialect_settings: Settings) -> Iterator[Player]:
    WorkerRegistry(client, dialect_settings).announce(TINY)
    player = Player(dialect_settings)
    player.start()
    yield player
    player.stop()


@pytest.fixture
def api(player: Player, dialect_settings: Settings) -> FlaskClient:
    return create_app(dialect_settings).test_client()
