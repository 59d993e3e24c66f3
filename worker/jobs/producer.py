"""Define what makes the audio of an attempt, the engine or a mix, and what the two share while they run.

Whoever produces says how far it is, can be stopped from another thread, and knows nothing of how a job ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from shared.errors import BrokerUnavailable
from shared.jobs.job import Job, Stage
from shared.jobs.store import JobStore
from shared.retry import Backoff, retry_until
from shared.settings import Settings
from shared.storage import Source, Storage
from worker.audio.codes import Codes
from worker.jobs.lease import Advance, LeaseKeeper

RECORD_RETRY_EVERY_S = 0.5

T = TypeVar("T")


@dataclass(frozen=True)
class Made:
    """Hold a finished file, and what its record says of it. `codes` are the model's, where a model made it."""

    data: Source
    duration_s: float
    sample_rate_hz: int
    channels: int
    generation_time_s: float
    warnings: tuple[str, ...]
    codes: Codes | None = None


class AttemptState:
    """Hold one attempt's job, where its record and its blobs are, and how far it is.

    Set by one thread, read by several.
    """

    def __init__(
        self,
        job: Job,
        store: JobStore,
        storage: Storage,
        settings: Settings,
        on_made: Callable[[], None],
        ffmpeg: str | None,
    ) -> None:
        """Prepare. `on_made` is called when the engine is done with this job, which may still have to be stored.

        `ffmpeg` is the program for the formats that need one.
        """
        self.job = job
        self.store = store
        self.storage = storage
        self.on_made = on_made
        self.ffmpeg = ffmpeg
        self.storage_retry_s = settings.storage_retry_s
        self.leaving = False
        self.enter(Stage.RUNNING)

    def enter(self, stage: Stage) -> None:
        """Begin that stage: its time runs from now on."""
        self.stage = stage
        self.stage_since = time.monotonic()

    @property
    def patient_until(self) -> float:
        """Return when asking store and broker again and again has ended: until then it counts as advancing."""
        return self.stage_since + 2 * self.storage_retry_s

    def insist(self, write: Callable[[], T]) -> T:
        """Write again while the broker is away: finished work is not thrown away because it restarts just now."""
        deadline = time.monotonic() + self.storage_retry_s
        return retry_until(deadline, write, errors=BrokerUnavailable, backoff=Backoff(RECORD_RETRY_EVERY_S))


class AudioProducer(Protocol):
    """Make one attempt's audio."""

    trusts_engine_when_stuck: bool  # whether work that got stuck says nothing against the engine

    def produce(self, keeper: LeaseKeeper) -> AbstractContextManager[Made]:
        """Make the audio, and keep its file open until it is stored.

        Raises StaleAttempt when the job is no longer this attempt's, Cancelled when this worker leaves, and what the
        making of it failed with.
        """
        ...

    def confirm(self) -> None:
        """Make sure of what was streamed, before the job completes. Raises BrokerUnavailable, StaleAttempt."""
        ...

    def left_s(self) -> float | None:
        """Return the seconds until it is made at the rate so far; None while that cannot be told."""
        ...

    def advance(self) -> Advance:
        """Return how far the work is."""
        ...

    def stop(self) -> None:
        """Stop the work, from any thread."""
        ...
