"""Register live workers: what each says of itself, under a lifetime that it renews. The API knows them by nothing else.

A worker also leaves its tokenizer here, so that the API counts a prompt's tokens exactly as the model will.
"""

from __future__ import annotations

import hashlib
import json
import socket
import zlib
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, fields, replace

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.music.catalog import Model
from shared.settings import Settings

TOKENIZER_TTL_S = 30 * 24 * 3600


@dataclass(frozen=True)
class WorkerRecord:
    """Describe one live worker. Times are UNIX seconds."""

    worker: str
    model: str
    checkpoint: str
    size: str
    digest: str
    engine: str
    precision: str
    device: str
    sample_rate_hz: int
    channels: int
    max_duration_s: float
    melody: bool
    slots: int
    version: str
    started_at: float
    revision: str | None = None
    tokenizer: str | None = None
    drained: bool = False  # by an operator: it claims nothing
    ffmpeg: bool = False  # it has a program that encodes AAC
    runner: str = ""  # how it decodes (worker/ladder.py); empty: an older worker's
    runner_reason: str | None = None  # why not by the fastest way
    fault: str | None = None  # why its engine can make nothing any more

    @property
    def claims(self) -> bool:
        """Return whether it takes new jobs: who does not has no slots to offer."""
        return not self.drained and self.fault is None

    def as_model(self) -> Model:
        """Return the catalog entry that this worker stands for."""
        return Model(self.model, self.checkpoint, self.size, self.melody, self.channels == 2, self.max_duration_s)


def worker_name(settings: Settings, pid: int) -> str:
    """Return the name of the worker that runs as that process on this host."""
    return settings.worker_name or f"{socket.gethostname()}-{pid}"


class WorkerRegistry:
    """Announce and list live workers. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, settings: Settings, root: str = ROOT_KEY) -> None:
        self._redis = commands_of(client)
        self._ttl_s = settings.presence_ttl_s
        self._keys = RedisKeys(root)

    def announce(self, record: WorkerRecord) -> None:
        """Say, or say again, that this worker lives; to be repeated well within the lifetime."""
        with translated():
            pipe = self._redis.pipeline()
            pipe.set(self._keys.worker(record.worker), json.dumps(asdict(record)), px=round(self._ttl_s * 1000))
            pipe.sadd(self._keys.workers(), record.worker)
            pipe.execute()

    def leave(self, worker: str) -> None:
        with translated():
            self._redis.delete(self._keys.worker(worker))
            self._redis.srem(self._keys.workers(), worker)

    def live(self) -> list[WorkerRecord]:
        """Return every worker whose lifetime is not over, by name; names of the gone are dropped on the way.

        Who is drained is asked of the operator's own list: a worker's record says it only at its next renewal.
        """
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            found, drained = pipe.smembers(self._keys.workers()).smembers(self._keys.drained()).execute()
            names = sorted(found)
            records = self._redis.mget([self._keys.worker(name) for name in names]) if names else []
            if gone := [name for name, record in zip(names, records, strict=True) if record is None]:
                self._redis.srem(self._keys.workers(), *gone)
        present = [_record_of(record) for record in records if record is not None]
        return [replace(record, drained=record.worker in drained) for record in present]

    def share_tokenizer(self, tokenizer_json: str) -> str:
        """Leave a tokenizer (the tokenizers library's JSON) for the API; returns the name it is kept under."""
        name = hashlib.sha256(tokenizer_json.encode()).hexdigest()
        packed = b64encode(zlib.compress(tokenizer_json.encode())).decode()
        with translated():
            self._redis.set(self._keys.tokenizer(name), packed, ex=TOKENIZER_TTL_S)
        return name

    def tokenizer(self, name: str) -> str | None:
        with translated():
            packed = self._redis.get(self._keys.tokenizer(name))
        return None if packed is None else zlib.decompress(b64decode(packed)).decode()


def _record_of(record: str) -> WorkerRecord:
    """Read a record; a newer worker's may hold fields that this process does not know."""
    known = {field.name for field in fields(WorkerRecord)}
    return WorkerRecord(**{name: value for name, value in json.loads(record).items() if name in known})
