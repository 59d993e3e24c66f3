"""Make one attempt at one job: have its audio made, store it and put it on record. Knows no Celery.

Whatever happens, the record says so: completed, failed (and perhaps in line again), or, when this attempt no longer
owns the job, nothing at all. What makes the audio is a producer: the engine, or the mix of a composition.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from shared.audio.aac import expect_program
from shared.errors import GenerationFailed, OstinatoError, StaleAttempt, StorageUnavailable
from shared.jobs.audio_chunks import ChunkStore
from shared.jobs.job import Fingerprint, Job, Result, Stage
from shared.jobs.store import JobStore
from shared.music.formats import FORMATS
from shared.settings import Settings
from shared.storage import Storage
from worker.audio.codes import keep_codes
from worker.engine.core.handle import Cancelled
from worker.engine.protocol import Engine
from worker.jobs.engine_producer import EngineProducer
from worker.jobs.lease import LeaseKeeper
from worker.jobs.mix_producer import MixProducer
from worker.jobs.producer import AttemptState, AudioProducer, Made

log = logging.getLogger(__name__)


class Attempt:
    """Attempt one job: `run()` raises nothing but what it could not put on record (BrokerUnavailable)."""

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
        ffmpeg: str | None = None,
    ) -> None:
        """Prepare. `on_made` is called when the engine is done with this job, which may still have to be stored.

        `ffmpeg` is the program for the formats that need one.
        """
        self.job = job
        self._store = store
        self._storage = storage
        self._engine = engine
        self._state = state = AttemptState(job, store, storage, settings, on_made, ffmpeg)
        self._producer: AudioProducer = (
            EngineProducer(state, engine, chunks) if job.composition is None else MixProducer(state, job.composition)
        )
        self._keeper = LeaseKeeper(store, job, self._producer.advance, self._producer.stop, settings.stuck_after_s)

    def run(self) -> None:
        job = self.job
        log.info("task %s attempt %d: %.1f s of music", job.id, job.attempt, job.request.duration_s)
        try:
            with self._keeper:
                self._work()
            log.info("task %s completed", job.id)
        except StaleAttempt as error:
            log.warning("task %s attempt %d stops: %s", job.id, job.attempt, error.details.get("status"))
        except Cancelled:
            self._requeue()
        except StorageUnavailable as error:
            error.retryable = False  # the store was asked again for STORAGE_RETRY_S; music made anew helps nobody
            self._record_failure(error)
        except OstinatoError as error:
            self._record_failure(error)
        except Exception as error:
            log.exception("task %s attempt %d", job.id, job.attempt)
            self._record_failure(GenerationFailed(f"the model failed: {error}"))

    def left_s(self) -> float | None:
        """Return the seconds until the end at the rate so far; None while that cannot be told."""
        return 0.0 if self._state.stage is Stage.UPLOADING else self._producer.left_s()

    def leave(self) -> None:
        """Requeue the job, unless its music is made: what is being stored is not thrown away."""
        if self._state.stage is Stage.RUNNING:
            self._state.leaving = True
            self._producer.stop()

    @property
    def stuck(self) -> bool:
        """Tell whether the work stopped advancing and was given up: the engine is not to be trusted any more."""
        return self._keeper.stuck and not self._producer.trusts_engine_when_stuck

    def _work(self) -> None:
        expect_program(self.job.request.output_format, self._state.ffmpeg)  # before anything is made
        with self._producer.produce(self._keeper) as made:
            result = self._upload(made)
            codes = made.codes
            del made  # its file is stored: the record may have to wait for its broker
        if codes is not None:
            keep_codes(self._storage, result.codes_key, codes)
        try:
            self._keeper.check()
            self._state.insist(lambda: self._complete(result))
        except StaleAttempt:
            for key in (result.key, result.codes_key):
                self._storage.delete(key)  # nothing refers to it, and nothing ever will
            raise

    def _complete(self, result: Result) -> None:
        self._producer.confirm()
        self._store.complete(self.job, result)

    def _upload(self, made: Made) -> Result:
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

    def _record_failure(self, error: OstinatoError) -> None:
        """Record the error; a dead engine fails all its jobs at once, so they are treated as those of a dead worker."""
        if self._state.leaving:
            self._requeue()
        elif self._engine.alive:
            self._record(f"failed: {error}", lambda: self._store.fail(self.job, error))
        else:
            self._record(f"left to another worker: {error}", lambda: self._store.expire_lease(self.job))

    def _requeue(self) -> None:
        self._record("requeued: this worker is leaving", lambda: self._store.requeue(self.job))

    def _record(self, what: str, write: Callable[[], object]) -> None:
        try:
            self._state.insist(write)
            log.warning("task %s attempt %d %s", self.job.id, self.job.attempt, what)
        except StaleAttempt:
            log.info("task %s attempt %d was taken away before it %s", self.job.id, self.job.attempt, what)
