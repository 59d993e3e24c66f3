"""Streamed tasks as they are served in earnest: gunicorn with two gevent processes; the test plays the worker."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import redis
import soundfile
from websockets.sync.client import ClientConnection, connect

from shared.broker.connection import connect as connect_redis
from shared.errors import GenerationFailed
from shared.jobs.audio_chunks import Chunk, ChunkStore, Kind
from shared.jobs.job import Fingerprint, Job, Result
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.storage import open_storage
from shared.workers.registry import WorkerRegistry
from stack.broker import EmbeddedBroker
from tests.api.conftest import TINY
from tests.api.served import Served, serve

RATE_HZ = 32_000
CHUNK_S = 0.25
KEY, STRANGER = "the-key", "somebody-elses"
PAGE = "https://music.example"  # the one from which browsers may ask
WAIT_S = 30.0  # a busy machine may pause a server for many seconds


def pcm(seed: int, number: int) -> bytes:
    """A quarter of a second that only that seed has there."""
    random = np.random.default_rng([seed, number])
    samples: bytes = random.integers(-9000, 9000, round(CHUNK_S * RATE_HZ)).astype("<i2").tobytes()
    return samples


class Singer:
    """A worker at one attempt, slowly: the test says when what happens."""

    def __init__(self, server: Server, job: Job) -> None:
        self.job = job
        self._server = server
        self._numbers: list[bytes] = []
        self._entries: list[Chunk] = []
        self._write("begin" if job.attempt == 1 else "restart")

    @property
    def sound(self) -> bytes:
        return b"".join(self._numbers)

    def sing(self, chunks: int, seed: int | None = None) -> Singer:
        for _ in range(chunks):
            self._numbers.append(pcm(self.job.seed if seed is None else seed, len(self._numbers)))
            self._write("audio", self._numbers[-1])
        return self

    def finish(self) -> bytes:
        """Ends the stream and the job; the file, a WAV of the very samples."""
        self._write("end")
        file = io.BytesIO()
        soundfile.write(file, np.frombuffer(self.sound, "<i2"), RATE_HZ, format="WAV")
        storage = open_storage(self._server.settings)
        stored = storage.put(storage.names.result(self.job.id, self.job.attempt, "wav"), file.getvalue(), "audio/wav")
        seconds, fingerprint = len(self.sound) / 2 / RATE_HZ, Fingerprint("digest", "engine-1", "fp32", "cpu")
        result = Result(stored.key, "audio/wav", stored.bytes, stored.sha256, seconds, RATE_HZ, 1, 0.5, fingerprint)
        self._server.store.complete(self.job, result)
        return file.getvalue()

    def fail(self, for_good: bool = False) -> None:
        error = GenerationFailed("the model trips")
        error.retryable = not for_good
        self._server.store.fail(self.job, error)

    def _write(self, kind: Kind, sound: bytes = b"") -> None:
        """Write the next entry, and again what a killed broker has not kept of those before, as a worker does."""
        have = len(self._entries)
        self._entries.append(Chunk(self.job.attempt, have + 1, kind, RATE_HZ, 1, sound))
        while have < len(self._entries):
            have = self._server.chunks.write(self.job, self._entries[have:])


class Server:
    def __init__(self, broker: EmbeddedBroker, settings: Settings, api: Served) -> None:
        self.broker = broker
        self.settings = settings
        self.port = api.port
        self.program = api.program
        self.redis: redis.Redis = connect_redis(settings)
        self.store = JobStore(self.redis, settings)
        self.chunks = ChunkStore(self.redis, settings)
        self.http = httpx.Client(base_url=api.url, headers={"X-API-Key": KEY}, timeout=WAIT_S, trust_env=False)

    def submit(self, **fields: Any) -> dict[str, Any]:
        answer = self.http.post("/tasks", json={"prompt": "calm piano", "stream": True, "cache": False} | fields)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def take_up(self, task_id: str) -> Singer:
        """Claim that job. What an earlier test has left in line before it is cancelled."""
        give_up_at = time.monotonic() + WAIT_S
        while time.monotonic() < give_up_at:
            job = self.store.claim("tiny", "w1")
            if job is None:
                time.sleep(0.02)
            elif job.id == task_id:
                return Singer(self, job)
            else:
                self.store.cancel(job.id)
        raise AssertionError(f"task {task_id} is not in line")

    def open(self, path: str = "/ws/stream", key: str | None = KEY) -> ClientConnection:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return connect(f"ws://127.0.0.1:{self.port}{path}", additional_headers=headers, proxy=None, max_size=None)

    def used_bytes(self) -> int:
        return int(self.http.get("/usage").json()["bandwidth"]["used"])

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        give_up_at = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < give_up_at, f"waited for {what}\n{self.program.log_path.read_text()[-3000:]}"
            time.sleep(0.02)


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sound")
    with EmbeddedBroker(folder / "broker") as broker:
        settings = Settings(
            _env_file=None, redis_url=broker.url, local_storage_path=folder / "audio", presence_ttl_s=3600.0
        )
        WorkerRegistry(connect_redis(settings), settings).announce(TINY)
        environment = {
            "SERVED_MODELS": "tiny",
            "DEFAULT_MODEL": "tiny",
            "MODEL_ALIASES": "small=tiny",
            "API_KEYS": f"{KEY},{STRANGER}",
            "CORS_ORIGINS": PAGE,
            "WEB_CONCURRENCY": "2",
            "KEY_CHECK_S": "0.2",
        }
        with serve(folder, settings, **environment) as api:
            server = Server(broker, settings, api)
            yield server
            server.http.close()  # an API waits for open connections when it stops


def heard(socket: ClientConnection) -> dict[str, Any]:
    """The next message."""
    message: dict[str, Any] = json.loads(socket.recv(timeout=WAIT_S))
    return message


def heard_until(socket: ClientConnection, *types: str) -> list[dict[str, Any]]:
    """All messages until one of those types, that one included; progress is left out."""
    told: list[dict[str, Any]] = []
    while not told or told[-1]["type"] not in types:
        message = heard(socket)
        if message["type"] != "progress" or "progress" in types:
            told.append(message)
    return told
