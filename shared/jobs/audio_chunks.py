"""Keep the sound of a streamed job while it is made: PCM in one Redis stream a job (lua/commands/append_chunks.lua).

An attempt's entries are numbered from 1: `begin` (of a later attempt `restart`, which takes the earlier one's entries
away), `audio`, and `end` once all of it is there. Whoever joins late reads from the start. Only the attempt that holds
the job can write. Bounded by the writer: no more frames than the piece is long. Some minutes after the job's end the
stream is gone. Knows no engine, no file format and no HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import redis
from redis.client import NEVER_DECODE

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.broker.lua_scripts import LuaScripts
from shared.errors import StaleAttempt
from shared.jobs.job import Job, Stage, Status
from shared.settings import Settings

Kind = Literal["begin", "restart", "audio", "end"]
StreamPosition = tuple[int, int]  # attempt, number

START: StreamPosition = (0, 0)
BYTES_A_SAMPLE = 2
HEAD_FIELDS = ("status", "attempt", "stage", "step", "steps", "chunk", "leader")  # as chunk_heads.lua answers
WRITTEN_AT_ONCE = 16  # entries in one script: a second each, so that none holds up the server
NEVER: dict[Any, Any] = {NEVER_DECODE: True}


@dataclass(frozen=True)
class Chunk:
    """Hold one entry. `pcm` is 16-bit signed little-endian, channels interleaved; only `audio` has any."""

    attempt: int
    number: int
    kind: Kind
    rate_hz: int
    channels: int
    pcm: bytes = b""

    @property
    def position(self) -> StreamPosition:
        return self.attempt, self.number

    @property
    def sequence(self) -> int:
        """Return the number in the attempt's audio, from 0."""
        return self.number - 2


@dataclass(frozen=True)
class Head:
    """Tell how a job stands, and how far its sound is. `source`: the job whose chunks are its own too."""

    source: str
    status: Status
    attempt: int
    stage: Stage
    step: int
    steps: int
    last: StreamPosition


class ChunkStore:
    """Write and read chunks. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, settings: Settings, root: str = ROOT_KEY) -> None:
        self._redis = commands_of(client)
        self._keys = RedisKeys(root)
        self._ttl_s = settings.chunks_ttl_s
        self._scripts = LuaScripts(client, root)

    def write(self, job: Job, entries: Sequence[Chunk]) -> int:
        """Write entries and return how many of this attempt there are now; none are written when earlier ones lack.

        An entry that is there already is not written twice. Raises StaleAttempt.
        """
        entries = entries[:WRITTEN_AT_ONCE]
        flat = [part for e in entries for part in (e.kind, e.rate_hz, e.channels, e.pcm)]
        have = self._scripts.run("append_chunks", job.id, job.attempt, self._ttl_s, entries[0].number, *flat)
        if not isinstance(have, int):
            raise StaleAttempt(f"attempt {job.attempt} no longer holds task {job.id}", details={"status": have})
        return have

    def heads(self, job_ids: Sequence[str]) -> dict[str, Head | None]:
        """Return the heads of many jobs, in one round trip; None for a record that is gone."""
        if not job_ids:
            return {}
        return dict(zip(job_ids, map(_head, job_ids, self._scripts.run("chunk_heads", *job_ids)), strict=True))

    def read(self, source: str, after: StreamPosition = START, count: int = WRITTEN_AT_ONCE) -> list[Chunk]:
        """Return at most `count` entries after that id; an empty list when there are none, or they have expired."""
        with translated():
            found = self._redis.execute_command(
                *("XRANGE", self._keys.chunks(source), f"{after[0]}-{after[1] + 1}", "+", "COUNT", count), **NEVER
            )
        return [_chunk(entry) for entry in _pairs(found)]


def _pairs(found: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Return XRANGE's entries, as redis-py gives them: parsed or not."""
    return [
        (entry_id, fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True)))
        for entry_id, fields in found or []
    ]


def _chunk(entry: tuple[bytes, dict[bytes, bytes]]) -> Chunk:
    entry_id, fields = entry
    attempt, number = _position_of(entry_id.decode())
    kind: Any = fields[b"kind"].decode()
    return Chunk(attempt, number, kind, int(fields[b"rate"]), int(fields[b"channels"]), fields[b"pcm"])


def _head(job_id: str, values: Sequence[str | None]) -> Head | None:
    fields = {name: value for name, value in zip(HEAD_FIELDS, values, strict=True) if value is not None}
    if "status" not in fields:
        return None
    return Head(
        source=fields.get("leader", job_id),
        status=Status(fields["status"]),
        attempt=int(fields.get("attempt", 0)),
        stage=Stage(fields["stage"]),
        step=int(fields.get("step", 0)),
        steps=int(fields.get("steps", 0)),
        last=_position_of(fields["chunk"]) if fields.get("chunk") else START,
    )


def _position_of(entry_id: str) -> StreamPosition:
    attempt, _, number = entry_id.partition("-")
    return int(attempt), int(number)
