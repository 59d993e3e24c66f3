"""Run one worker process, from loading its model to draining (`Worker`). Imports no Celery.

Opening takes long (the weights); a worker draws its first ticket only when it is done, and announces its record to the
registry. Draining means: claim nothing more, finish what ends within DRAIN_S, requeue the rest at once.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from shared.audio.ffmpeg import find_ffmpeg
from shared.broker.connection import connect, refuse_evicting
from shared.broker.pool import pool_of
from shared.broker.pool_waits import count_waits
from shared.errors import BrokerUnavailable, ClaimLater
from shared.jobs.audio_chunks import ChunkStore
from shared.jobs.job import Job
from shared.jobs.reaper import Reaper
from shared.jobs.store import JobStore
from shared.jobs.tickets import Tickets
from shared.music.catalog import Catalog, Model
from shared.music.formats import FFMPEG_REMEDY
from shared.retry import Backoff, retry_until
from shared.settings import Settings
from shared.storage import Storage, open_storage
from shared.version import VERSION
from shared.workers.registry import WorkerRecord, WorkerRegistry, worker_name
from worker.capacity import connections_for, engine_capacity, threads_for
from worker.engine.protocol import Engine
from worker.engine_factory import open_engine
from worker.heartbeat import Announcer
from worker.jobs.attempt import Attempt

log = logging.getLogger(__name__)

BROKER_PATIENCE_S = 60.0
WATCH_EVERY_S = 1.0  # how soon a dead engine is noticed
CLAIM_AGAIN_S = 0.25
FIRST_STEP_S = 3.0  # how long a draining worker waits for a job's first step, to estimate how long it would take


class Worker:
    """Claim jobs and run attempts at them on one loaded engine.

    `open()`, `announce()` once tickets are drawn, `serve_one()` from any thread for each, `drain()`, `close()`.
    """

    def __init__(self, settings: Settings, tickets: Tickets) -> None:
        self._settings = settings
        self.name = worker_name(settings, os.getpid())
        self.model: Model = Catalog(settings).for_worker(settings.model)
        self._tickets = tickets
        self._redis = connect(settings, name="worker", at_once=connections_for(threads_for(settings.slots or 1)))
        count_waits(self._redis)
        self._store = JobStore(self._redis, settings)
        self._chunks = ChunkStore(self._redis, settings)
        self._registry = WorkerRegistry(self._redis, settings)
        self._announcer = Announcer(self._registry, self._store, self.name, settings.presence_ttl_s / 5)
        self._reaper = Reaper(self._store, tickets, self._redis, settings)
        self._storage: Storage = open_storage(settings)
        self._leaving = threading.Event()
        self._engine: Engine | None = None
        self._slower: str | None = None  # why it decodes by no faster way
        self._ffmpeg: str | None = None
        self._engine_slots = threading.Semaphore(0)
        self._claim_lock = threading.Lock()
        self._attempts: set[Attempt] = set()
        self._drain_lock = threading.Lock()
        self._draining = threading.Thread(target=self._requeue_unfinished, name="drain", daemon=True)

    def open(self, trying: Callable[[str], None] = lambda rung: None) -> int:
        """Check the broker and the store, load the model; returns the slots of its engine.

        `trying` is called with the way to decode that is tried (worker/ladder.py), before that is loaded.

        Raises ConfigurationError, RungFailed or what the loader raises; BrokerUnavailable after a minute without a
        broker.
        """
        self._await_broker()
        self._storage.check()
        self._ffmpeg = find_ffmpeg(self._settings.ffmpeg)
        log.info("m4a and aac are written by %s", self._ffmpeg or f"nothing here: {FFMPEG_REMEDY}")
        since = time.monotonic()
        log.info("loading %s from %s", self.model.name, self.model.checkpoint)
        opened = open_engine(self.model, self._settings, _say_progress, trying)
        self._engine, self._slower = opened.engine, opened.slower
        log.info("self-check: %s", "; ".join(opened.found) or "not due")
        log.info("%s loaded in %.1f s", self.model.name, time.monotonic() - since)
        self._engine_slots = threading.Semaphore(engine_capacity(self._engine.slots))
        threading.Thread(target=self._watch, args=(self._engine,), name="watchdog", daemon=True).start()
        self._reaper.start()
        return self._engine.slots

    def announce(self, threads: int, draws: Callable[[], bool] = lambda: True) -> None:
        """Announce from now on that this worker claims jobs, as many at once as it has threads and slots for.

        Call it when its tickets are drawn: a worker that claims nothing must not count as ready. `draws`: whether they
        still are.
        """
        if self._engine is None:
            raise RuntimeError("announced before it was open")
        if self._settings.redis_pool_size is None:
            pool_of(self._redis).widen(connections_for(threads))
        _say_how(self._engine, self._slower)
        self._announcer.start(partial(self._worker_record, self._engine, threads, time.time(), draws))

    def serve_one(self, model: str) -> bool:
        """Claim one job of that model and run it to its end; False when none waits or this worker is leaving."""
        if model != self.model.name:
            log.error("a ticket for %s reached a worker of %s: leave out -Q, or name its queue", model, self.model.name)
            return False
        if self._engine is None:
            return False
        engine_slot = ExitStack()
        with engine_slot:
            engine_slot.enter_context(self._engine_slots)
            return self._claim_and_run(self._engine, engine_slot.close)

    def _claim_and_run(self, engine: Engine, on_made: Callable[[], None]) -> bool:
        """Claim a job and run an attempt at it. `on_made` frees the engine slot while the audio waits for the store."""
        job = self._claim(engine)
        if job is None:
            return False
        attempt = Attempt(
            job, self._store, self._storage, engine, self._settings, on_made, chunks=self._chunks, ffmpeg=self._ffmpeg
        )
        self._attempts.add(attempt)
        try:
            attempt.run()
        finally:
            self._attempts.discard(attempt)
        if attempt.stuck:
            self._leave_for_good("stuck")
        return True

    def _claim(self, engine: Engine) -> Job | None:
        """Claim a job, one thread at a time: while this worker may claim nothing, the others wait behind it."""
        with self._claim_lock:
            while not self._leaving.is_set() and engine.alive:
                try:
                    return self._store.claim(self.model.name, self.name)
                except ClaimLater:
                    self._leaving.wait(CLAIM_AGAIN_S)
        return None

    def _watch(self, engine: Engine) -> None:
        while not self._leaving.wait(WATCH_EVERY_S):
            if not engine.alive:
                self._leave_for_good("dead")

    def _leave_for_good(self, fault: str) -> None:
        """Stop as at SIGTERM, since only a new process mends such an engine: the process manager restarts it."""
        log.critical("the engine is %s: this worker leaves", fault)
        self._stop_claiming()
        self._announcer.fail(f"its engine is {fault}")
        os.kill(os.getpid(), signal.SIGTERM)

    def drain(self) -> None:
        """Claim nothing from now on. Tickets already drawn are lost, which costs one round of the reaper elsewhere."""
        self._stop_claiming()
        self._announcer.leave()

    def _stop_claiming(self) -> None:
        self._leaving.set()
        if self._drain_lock.acquire(blocking=False):
            self._draining.start()

    def _requeue_unfinished(self) -> None:
        """Let attempts finish that end within DRAIN_S, and requeue the others as soon as their pace is known."""
        since = time.monotonic()
        while attempts := list(self._attempts):
            elapsed_s = time.monotonic() - since
            for attempt in attempts:
                left_s = attempt.left_s()
                unknown = left_s is None and elapsed_s > FIRST_STEP_S
                if unknown or elapsed_s + (left_s or 0.0) > self._settings.drain_s:
                    attempt.leave()
            time.sleep(CLAIM_AGAIN_S)

    def close(self) -> None:
        """Drain, then close the engine."""
        self.drain()
        if self._engine is not None:
            self._reaper.stop()
            self._engine.close()

    def _await_broker(self) -> None:
        retry_until(
            time.monotonic() + BROKER_PATIENCE_S,
            lambda: refuse_evicting(self._redis),
            errors=BrokerUnavailable,
            backoff=Backoff(1.0),
            before_retry=lambda error, left_s: log.info("waiting for the broker at REDIS_URL"),
        )

    def _worker_record(self, engine: Engine, threads: int, since: float, draws: Callable[[], bool]) -> WorkerRecord:
        info = engine.info
        draws_nothing = f"it was told to draw no tickets (celery control add_consumer {self.model.queue})"
        return WorkerRecord(
            worker=self.name,
            model=self.model.name,
            checkpoint=self.model.checkpoint,
            size=self.model.size,
            digest=info.checkpoint_digest,
            engine=f"{info.engine}-{info.version}",
            precision=info.precision,
            device=info.device,
            sample_rate_hz=info.sample_rate_hz,
            channels=info.channels,
            max_duration_s=self.model.max_duration_s,
            melody=info.melody,
            slots=min(engine.slots, threads),
            version=VERSION,
            started_at=since,
            ffmpeg=self._ffmpeg is not None,
            runner=info.runner,
            runner_reason=self._slower,
            fault=None if draws() else draws_nothing,
            revision=self._settings.model_revision,
            tokenizer=self._registry.share_tokenizer(info.tokenizer_json) if info.tokenizer_json else None,
        )


def _say_how(engine: Engine, slower: str | None) -> None:
    """Log how the engine decodes, and why not faster: now that Celery has set up the log."""
    because, info = f", because {slower}" if slower else "", engine.info
    log.log(logging.WARNING if slower else logging.INFO, "decodes by %s on %s%s", info.runner, info.device, because)


def _say_progress(done: int, total: int) -> None:
    log.info("warm-up %d of %d", done, total)
