"""Helpers for streamed jobs: audio in parts, an attempt over a real broker, and the chunks that it wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from shared.broker.connection import connect
from shared.jobs.audio_chunks import Chunk, ChunkStore
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.storage import open_storage
from tests.worker.scripted_engine import Script, ScriptedEngine
from worker.engine.core.handle import Handle
from worker.jobs.attempt import Attempt

RATE_HZ = 32_000
SECONDS = 3.0
STREAMED: dict[str, Any] = {"duration": SECONDS, "stream": True}


def part(number: int, level: float = 0.4) -> np.ndarray:
    """Return half a second that is like no other. [channels, samples]"""
    random = np.random.default_rng(number)
    return (level * random.normal(0, 1, (1, RATE_HZ // 2))).astype(np.float32)


def in_parts(level: float = 0.4, between: Callable[[int], None] = lambda number: None) -> Script:
    def generate_tone(handle: Handle) -> np.ndarray:
        parts = [part(number, level) for number in range(int(2 * SECONDS))]
        for number, each in enumerate(parts):
            handle.advance(number, "decoding")
            handle.add_chunk(each)
            between(number)
        return np.concatenate(parts, axis=1)

    return generate_tone


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
