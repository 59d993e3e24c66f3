"""Make the audio of one attempt by the engine: melody in, generation, perhaps streamed, encoded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from shared.audio.encode import check_usable, encode
from shared.audio.tags import tags_of
from shared.jobs.audio_chunks import ChunkStore
from shared.jobs.job import Stage
from worker.engine.core.handle import Handle
from worker.engine.core.types import Clip
from worker.engine.protocol import Engine
from worker.jobs.chunk_writer import ChunkWriter
from worker.jobs.engine_request import build_engine_request
from worker.jobs.lease import Advance, LeaseKeeper
from worker.jobs.producer import AttemptState, Made


class EngineProducer:
    """Generate the audio of one request. While its lease is kept, an engine that got stuck is noticed."""

    trusts_engine_when_stuck = False

    def __init__(self, state: AttemptState, engine: Engine, chunks: ChunkStore) -> None:
        self._state = state
        self._engine = engine
        self._chunks = chunks
        self._chunk_writer: ChunkWriter | None = None
        self._handle: Handle | None = None

    @contextmanager
    def produce(self, keeper: LeaseKeeper) -> Iterator[Made]:
        """Generate, as AudioProducer.

        Of the samples nothing is referred to any more: the store may be away for minutes.
        """
        yield self._encoded(keeper)

    def confirm(self) -> None:
        """Wait until Redis has all chunks: whoever hears that a streamed job is completed can hear all of it."""
        if self._chunk_writer is not None:
            self._chunk_writer.confirm()

    def left_s(self) -> float | None:
        step, steps = (self._handle.progress.step, self._handle.progress.steps) if self._handle else (0, 0)
        return (time.monotonic() - self._state.stage_since) * (steps - step) / step if step else None

    def advance(self) -> Advance:
        """Return how far it is. Asking store or broker again and again counts as advancing: both end by themselves."""
        handle, state = self._handle, self._state
        if handle is None:
            return Advance(state.stage, 0, 0, state.patient_until)
        at = handle.advanced_at if state.stage is Stage.RUNNING else state.patient_until
        return Advance(state.stage, handle.progress.step, handle.progress.steps, at)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _encoded(self, keeper: LeaseKeeper) -> Made:
        clip = self._generate(keeper)
        self._state.enter(Stage.UPLOADING)
        self._state.on_made()
        if self._chunk_writer is not None:
            check_usable(clip.waveform)
            clip = self._chunk_writer.finish(clip)
        request = self._state.job.request
        audio = encode(
            clip.waveform,
            clip.sample_rate_hz,
            request.output_format,
            loudness_lufs=request.loudness,
            streamed=request.stream,
            tags=tags_of(self._state.job),
            ffmpeg=self._state.ffmpeg,
        )
        return Made(
            audio.data,
            clip.waveform.shape[1] / clip.sample_rate_hz,
            audio.sample_rate_hz,
            audio.channels,
            clip.generation_time_s,
            clip.warnings + audio.warnings,
            clip.codes,
        )

    def _generate(self, keeper: LeaseKeeper) -> Clip:
        job, state, info = self._state.job, self._state, self._engine.info
        request = state.insist(
            lambda: build_engine_request(job, state.store.reader, state.storage, info, state.storage_retry_s)
        )
        keeper.check()  # cancelled while the melody was read: do not even begin
        self._handle = handle = self._engine.submit(request)
        if state.leaving:
            handle.cancel()
        try:
            if request.stream:
                self._chunk_writer = ChunkWriter(job, self._chunks, info)
                self._chunk_writer.follow(handle, keeper.check)
            while not handle.wait(1.0):
                keeper.check()
            keeper.check()
            return handle.take()
        finally:
            handle.cancel()  # whatever made us leave; it does nothing once the request has ended
