"""Define a job, the record of one request's life, its Status and Stage. Knows nothing of Redis.

Times are UNIX seconds in UTC, by the clock of the Redis server. `attempt` is the fencing number: it grows with each
claim, and only the attempt that holds the job may write to it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from shared.errors import Conflict
from shared.music.mix_spec import MixSpec
from shared.music.request import MusicRequest

LOCAL = "local"  # the account of whoever asks while no key exists
SCHEMA = 5  # the latest that is known here
PLAIN_SCHEMA = 2  # of a job that has nothing which a later one brought, so that older processes go on with it
COMPOSED_SCHEMA = 3  # of one that waits for others, or is made from them


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in ENDED


ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


class Stage(StrEnum):
    """Say where in its way a job is that has not ended. What the engine does inside RUNNING is its own affair."""

    WAITING = "waiting_for_tasks"  # outside the line, until other tasks have completed
    QUEUED = "queued"
    RUNNING = "running"
    UPLOADING = "uploading"


PUBLIC_STAGES = (*(stage.value for stage in Stage), *(status.value for status in Status if status.ended))


@dataclass(frozen=True)
class Fingerprint:
    """Name what a seed's promise holds within: same request, same seed, same fingerprint, same audio."""

    checkpoint: str  # sha256 over the weights
    engine: str
    precision: str
    device: str


@dataclass(frozen=True)
class Result:
    """Hold the one result of a job. `key` names the blob; `generation_time_s` is the engine's part of the run time."""

    key: str
    media_type: str
    bytes: int
    sha256: str
    duration_s: float
    sample_rate_hz: int
    channels: int
    generation_time_s: float
    fingerprint: Fingerprint
    warnings: tuple[str, ...] = ()

    @property
    def codes_key(self) -> str:
        """Return the key of the model's codes, beside the audio if there is one (blob_refs.lua knows the name too)."""
        return f"{self.key.rpartition('.')[0]}.codes"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Result:
        known = dict(data)
        known["fingerprint"] = Fingerprint(**known["fingerprint"])
        known["warnings"] = tuple(known.get("warnings", ()))
        return cls(**known)


@dataclass(frozen=True)
class JobError:
    """Say why a job failed, or why its last attempt did."""

    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Job:
    """Hold one job as it was read. `seed` in the request is always set: it is drawn at submit when none was given."""

    id: str
    model: str
    request: MusicRequest
    account: str = LOCAL
    source: str = "tasks"
    schema: int = PLAIN_SCHEMA
    status: Status = Status.QUEUED
    stage: Stage = Stage.QUEUED
    step: int = 0
    steps: int = 0
    attempt: int = 0
    failures: int = 0
    worker: str | None = None
    created_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    result: Result | None = None
    error: JobError | None = None
    webhook: str | None = None  # JSON, as it was submitted
    batch: str | None = None  # the batch that it came with
    primary_id: str | None = None  # the job whose generation this one shares
    isolation: str = ""  # "alone", or the name of the cohort that died with it
    after: tuple[str, ...] = ()  # the jobs that must have completed before it stands in line
    melody_of: str | None = None  # the job whose audio is the melody of this one
    part: str | None = None  # its name in the composition that `composition_id` is
    composition_id: str | None = None
    key_id: str | None = None  # the API key that it was made with
    composition: MixSpec | None = None  # what this job mixes, when it is no music of its own
    retry_of: str | None = None  # the failed job that this one runs again, for an operator
    retried_as: str | None = None  # the job that runs this one again
    result_of: str | None = None  # the completed job whose result it is given when it is accepted
    edited_title: str | None = None  # in place of the request's; "" for none
    favourite: bool = False  # kept until it is none any more

    @property
    def seed(self) -> int:
        assert self.request.seed is not None, "a job's seed is drawn at submit"
        return self.request.seed

    @property
    def title(self) -> str | None:
        """Return what it is called now; its file has the title that it was made with."""
        return self.request.title if self.edited_title is None else self.edited_title or None

    @property
    def public_stage(self) -> str:
        """Return the stage for callers: the job's while it goes on, and then how it ended."""
        return self.status.value if self.status.ended else self.stage.value

    def progress(self) -> float:
        """Return the percent done, 0 to 100: the decode steps, and the last percent for encoding and storing."""
        if self.status is Status.COMPLETED:
            return 100.0
        return round(99.0 * self.step / self.steps, 1) if self.steps else 0.0

    def eta_s(self, now: float) -> float | None:
        """Estimate the seconds until the end at the pace of this attempt so far; None while that cannot be told."""
        if self.status is not Status.RUNNING or not self.step or self.started_at is None:
            return None
        return round((now - self.started_at) * (self.steps - self.step) / self.step, 1)

    def queue_time_s(self, now: float) -> float:
        """Return the seconds from submission to the start of the last attempt (or to the end, or to now)."""
        return round((self.started_at or self.finished_at or now) - self.created_at, 3)

    def run_time_s(self, now: float) -> float | None:
        return None if self.started_at is None else round((self.finished_at or now) - self.started_at, 3)

    def total_time_s(self, now: float) -> float:
        return round((self.finished_at or now) - self.created_at, 3)


def expect_repeatable(job: Job) -> None:
    """Raises Conflict for a job that is made from other jobs' audio: a copy of its request would be something else."""
    if job.composition is not None or job.melody_of is not None:
        message = f"task {job.id} is made from other tasks' audio; submit the whole piece again"
        raise Conflict(message, details={"whole": job.composition_id or job.id})


def new_id() -> str:
    """Draw the id of a new job or batch."""
    return str(uuid.uuid4())
