"""Serve the API by gunicorn over a real broker, with keys, for the Python client; a thread plays the worker."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pytest
import soundfile

from api.auth.keys import NO_LIMITS, Keys
from shared.broker.connection import connect
from shared.errors import BrokerUnavailable, GenerationFailed, StaleAttempt
from shared.jobs.audio_chunks import Chunk, ChunkStore, Kind
from shared.jobs.job import Fingerprint, Job, Result, Stage
from shared.music.formats import FORMATS
from shared.settings import ROOT, Settings
from shared.workers.registry import WorkerRegistry
from stack.broker import EmbeddedBroker
from tests.api.conftest import TINY
from tests.api.dialects.conftest import ALIASES, FAILING_PROMPT, Player
from tests.api.served import serve

PACKAGE = ROOT / "clients" / "python"

SLOW = "endless"
STUMBLING = "stumble"
STEPS = 40
RATE_HZ = 32_000
CHUNK_S = 0.25


def pcm(seed: int, seconds: float) -> bytes:
    """Return samples that only that seed has; longer, they begin as when they are fewer."""
    frames = np.random.default_rng(seed).integers(-9000, 9000, round(seconds * RATE_HZ)).astype("<i2")  # [samples]
    sound: bytes = frames.tobytes()
    return sound


class PatientPlayer(Player):
    """Play a worker that tells progress; a prompt that begins with "endless" goes on until it is cancelled.

    Streams what is to be streamed, of its seed's own `pcm`; "stumble" does so half, trips when it is told to, and makes
    another sound.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._chunks = ChunkStore(connect(settings), settings)
        self.trip = threading.Event()

    def _loop(self) -> None:
        while not self._stop.is_set():
            with suppress(BrokerUnavailable):  # the machine may have other work
                super()._loop()

    def _play(self, job: Job) -> None:
        if job.request.stream:
            threading.Thread(target=self._stream, args=(job,), daemon=True).start()
            return
        if job.request.prompt.startswith(SLOW):
            threading.Thread(target=self._linger, args=(job,), daemon=True).start()
            return
        prompt = job.request.prompt
        short = job.request.model_copy(
            update={
                "duration_s": min(job.request.duration_s, 1.0),
                "prompt": FAILING_PROMPT if prompt.startswith(FAILING_PROMPT) else prompt,  # a part's has a tempo too
            }
        )
        with suppress(StaleAttempt):  # cancelled meanwhile
            for step in (STEPS // 4, STEPS // 2):
                self._store.renew(job, Stage.RUNNING, step, STEPS)
            super()._play(replace(job, request=short))

    def _stream(self, job: Job) -> None:
        sound = pcm(job.seed + job.attempt, job.request.duration_s)
        size = round(2 * CHUNK_S * RATE_HZ)
        told = [(b"begin" if job.attempt == 1 else b"restart", b"")]
        told += [(b"audio", sound[at : at + size]) for at in range(0, len(sound), size)]
        with suppress(StaleAttempt):
            for number, (kind, part) in enumerate([*told, (b"end", b"")], 1):
                self._write(job, number, kind.decode(), part)
                self._stop.wait(0.05)
                if job.request.prompt == STUMBLING and job.attempt == 1 and number > len(told) // 2:
                    self.trip.wait(10)
                    self._store.fail(job, GenerationFailed("it trips"))
                    return
                if job.request.prompt.startswith(SLOW) and kind == b"audio":
                    self._linger(job)
            self._keep(job, sound)

    def _write(self, job: Job, number: int, kind: Kind, sound: bytes) -> None:
        self._chunks.write(job, [Chunk(job.attempt, number, kind, RATE_HZ, 1, sound)])

    def _keep(self, job: Job, sound: bytes) -> None:
        """Store the finished file, of the very samples."""
        name, file = FORMATS[job.request.output_format], io.BytesIO()
        soundfile.write(file, np.frombuffer(sound, "<i2"), RATE_HZ, format=name.extension.upper())
        key = self._storage.names.result(job.id, job.attempt, name.extension)
        stored = self._storage.put(key, file.getvalue(), name.media_type)
        fingerprint = Fingerprint("digest", "engine-1", "fp32", "cpu")
        seconds = len(sound) / 2 / RATE_HZ
        result = Result(stored.key, name.media_type, stored.bytes, stored.sha256, seconds, RATE_HZ, 1, 0.5, fingerprint)
        self._store.complete(job, result)

    def _linger(self, job: Job) -> None:
        with suppress(StaleAttempt):
            while not self._stop.wait(0.05):
                self._store.renew(job, Stage.RUNNING, STEPS // 4, STEPS)


@dataclass(frozen=True)
class Live:
    url: str
    key: str
    keys: Keys
    settings: Settings
    player: PatientPlayer


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("clients")
    aliases = ",".join(f"{name}={model}" for name, model in ALIASES.items())
    with EmbeddedBroker(folder / "broker") as broker:
        served = Settings(
            _env_file=None, redis_url=broker.url, redis_timeout_s=30.0, local_storage_path=folder / "audio"
        )
        client = connect(served)
        WorkerRegistry(client, served.model_copy(update={"presence_ttl_s": 3600.0})).announce(TINY)
        keys = Keys(client)
        key, _ = keys.create("tests", NO_LIMITS)
        player = PatientPlayer(served)
        player.start()
        try:
            with serve(folder, served, REDIS_TIMEOUT_S="30", MODEL_ALIASES=aliases) as api:
                yield Live(api.url, key, keys, served, player)
        finally:
            player.stop()


@pytest.fixture
def terminal_environment(live: Live) -> dict[str, str]:
    """Return the environment of a process of its own that uses the package."""
    named = {"MUSIC_GEN_BASE_URL": live.url, "MUSIC_GEN_API_KEY": live.key, "PYTHONPATH": str(PACKAGE)}
    return {**os.environ, **named}
