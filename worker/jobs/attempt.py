"""One attempt at one job: melody in, engine, audio out, storage, record. Knows no Celery.

Whatever happens, the job is told: completed, failed (and perhaps in line again), or, when this attempt no longer
holds it, nothing at all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from shared.errors import BrokerUnavailable, GenerationFailed, OstinatoError, StaleAttempt, StorageUnavailable
from shared.jobs.audio_chunks import ChunkStore
from shared.jobs.job import Fingerprint, Job, Result, Stage
from shared.jobs.store import JobStore
from shared.music.formats import FORMATS
from shared.retry import Backoff, retry_until
from shared.settings import Settings
from shared.storage import Source, Storage
from worker.audio.codes import Codes, keep_codes
from worker.audio.encode import check_usable, encode
from worker.audio.tags import tags_of
from worker.engine.core.handle import Cancelled, Handle
from worker.engine.core.types import Clip
from worker.engine.protocol import Engine
from worker.jobs.chunk_writer import ChunkWriter
from worker.jobs.engine_request import piece_of
from worker.jobs.lease import Advance, LeaseKeeper

log = logging.getLogger(__name__)

RECORD_RETRY_EVERY_S = 0.5

T = TypeVar("T")


@dataclass(frozen=True)
class Made:
    """A finished file, and what its record tells of it."""

    data: Source
    duration_s: float
    sample_rate_hz: int
    channels: int
    generation_time_s: float
    warnings: tuple[str, ...]


class Attempt:
    """`run()` does it all and raises nothing but what it could not tell the record (BrokerUnavailable)."""

    def __init__(
        self,
        job: Job,
        store: JobStore,
        storage: Storage,
        engine: Engine,
        settings: Settings,
        on_made: Callable[[], None] = lambda: None,
        *,
        chunks: ChunkStore,
    ) -> None:
        """`on_made` is called when the engine is done with this job, which may still have to be stored."""
        self.job = job
        self._store = store
        self._storage = storage
        self._engine = engine
        self._settings = settings
        self._on_made = on_made
        self._chunks = chunks
        self._streaming: ChunkWriter | None = None
        self._handle: Handle | None = None
        self._keeper: LeaseKeeper | None = None
        self._stage = Stage.RUNNING
        self._stage_since = time.monotonic()
        self._leaving = False

    def run(self) -> None:
        job = self.job
        log.info("task %s attempt %d: %.1f s of music", job.id, job.attempt, job.request.duration_s)
        keeper = self._keeper = LeaseKeeper(self._store, job, self._advance, self._stop, self._settings.stuck_after_s)
        try:
            with keeper:
                self._work(keeper)
            log.info("task %s completed", job.id)
        except StaleAttempt as error:
            log.warning("task %s attempt %d stops: %s", job.id, job.attempt, error.details.get("status"))
        except Cancelled:
            self._tell("given back: this worker is leaving", lambda: self._store.requeue(job))
        except StorageUnavailable as error:
            error.retryable = False  # the store was asked again for STORAGE_RETRY_S; music made anew helps nobody
            self._tell_failure(error)
        except OstinatoError as error:
            self._tell_failure(error)
        except Exception as error:
            log.exception("task %s attempt %d", job.id, job.attempt)
            self._tell_failure(GenerationFailed(f"the model failed: {error}"))

    def left_s(self) -> float | None:
        """Seconds until the end at the pace so far; None while that cannot be told."""
        if self._stage is Stage.UPLOADING:
            return 0.0
        step, steps = (self._handle.progress.step, self._handle.progress.steps) if self._handle else (0, 0)
        return (time.monotonic() - self._stage_since) * (steps - step) / step if step else None

    def leave(self) -> None:
        """Give the job back, unless its music is made: what is being stored is not thrown away."""
        if self._stage is Stage.RUNNING:
            self._leaving = True
            self._stop()

    @property
    def stuck(self) -> bool:
        """Whether the work stopped advancing and was given up: the engine is not to be trusted any more."""
        return self._keeper is not None and self._keeper.stuck

    def _work(self, keeper: LeaseKeeper) -> None:
        result = self._make(keeper)
        try:
            keeper.check()
            self._insist(lambda: self._complete(result))
        except StaleAttempt:
            for key in (result.key, result.codes_key):
                self._storage.delete(key)  # nothing refers to it, and nothing ever will
            raise

    def _make(self, keeper: LeaseKeeper) -> Result:
        """The audio, stored."""
        made, codes = self._sing(keeper)
        result = self._keep(made)
        keep_codes(self._storage, result.codes_key, codes)
        return result

    def _sing(self, keeper: LeaseKeeper) -> tuple[Made, Codes]:
        """The file and its codes. Of the samples nothing is held any more: the store may be away for minutes."""
        clip = self._generate(keeper)
        self._enter(Stage.UPLOADING)
        self._on_made()
        if self._streaming is not None:
            check_usable(clip.waveform)
            clip = self._streaming.finish(clip)
        request = self.job.request
        audio = encode(
            clip.waveform,
            clip.sample_rate_hz,
            request.output_format,
            loudness_lufs=request.loudness,
            streamed=request.stream,
            tags=tags_of(self.job),
        )
        made = Made(
            audio.data,
            clip.waveform.shape[1] / clip.sample_rate_hz,
            audio.sample_rate_hz,
            audio.channels,
            clip.generation_time_s,
            clip.warnings + audio.warnings,
        )
        return made, clip.codes

    def _complete(self, result: Result) -> None:
        """Whoever hears that a streamed job is completed can hear all of it."""
        if self._streaming is not None:
            self._streaming.confirm()
        self._store.complete(self.job, result)

    def _generate(self, keeper: LeaseKeeper) -> Clip:
        retry_s = self._settings.storage_retry_s
        piece = self._insist(lambda: piece_of(self.job, self._store.reader, self._storage, self._engine.info, retry_s))
        keeper.check()  # cancelled while the melody was read: do not even begin
        self._handle = handle = self._engine.submit(piece)
        if self._leaving:
            handle.cancel()
        try:
            if piece.stream:
                self._streaming = ChunkWriter(self.job, self._chunks, self._engine.info)
                self._streaming.follow(handle, keeper.check)
            while not handle.wait(1.0):
                keeper.check()
            keeper.check()
            return handle.take()
        finally:
            handle.cancel()  # whatever made us leave; it does nothing once the piece has ended

    def _keep(self, made: Made) -> Result:
        """Store it; the key carries the attempt, so two attempts never write one name."""
        audio_format = FORMATS[self.job.request.output_format]
        key = self._storage.names.result(self.job.id, self.job.attempt, audio_format.extension)
        name = f"{self.job.id}.{audio_format.extension}"
        stored = self._storage.put(key, made.data, audio_format.media_type, download_name=name)
        info = self._engine.info
        maker = Fingerprint(info.checkpoint_digest, f"{info.engine}-{info.version}", info.precision, info.device)
        return Result(
            key=key,
            media_type=audio_format.media_type,
            bytes=stored.bytes,
            sha256=stored.sha256,
            duration_s=round(made.duration_s, 3),
            sample_rate_hz=made.sample_rate_hz,
            channels=made.channels,
            generation_time_s=round(made.generation_time_s, 3),
            fingerprint=maker,
            warnings=made.warnings,
        )

    def _tell_failure(self, error: OstinatoError) -> None:
        """A dead engine fails all its jobs at once, whoever is to blame: they are treated as those of a dead worker."""
        if self._leaving:
            self._tell("given back: this worker is leaving", lambda: self._store.requeue(self.job))
        elif self._engine.alive:
            self._tell(f"failed: {error}", lambda: self._store.fail(self.job, error))
        else:
            self._tell(f"abandoned: {error}", lambda: self._store.expire_lease(self.job))

    def _tell(self, what: str, write: Callable[[], object]) -> None:
        try:
            self._insist(write)
            log.warning("task %s attempt %d %s", self.job.id, self.job.attempt, what)
        except StaleAttempt:
            log.info("task %s attempt %d was taken away before it %s", self.job.id, self.job.attempt, what)

    def _insist(self, write: Callable[[], T]) -> T:
        """Write again while the broker is away: finished work is not thrown away because it restarts just now."""
        deadline = time.monotonic() + self._settings.storage_retry_s
        return retry_until(deadline, write, errors=BrokerUnavailable, backoff=Backoff(RECORD_RETRY_EVERY_S))

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        self._stage_since = time.monotonic()

    def _advance(self) -> Advance:
        """While store or broker are asked again and again the work counts as advancing: both end by themselves."""
        handle = self._handle
        patient_until = self._stage_since + 2 * self._settings.storage_retry_s
        if handle is None:
            return Advance(self._stage, 0, 0, patient_until)
        at = handle.advanced_at if self._stage is Stage.RUNNING else patient_until
        return Advance(self._stage, handle.progress.step, handle.progress.steps, at)

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
