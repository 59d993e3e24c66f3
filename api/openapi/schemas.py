"""The shapes of the native answers, as the OpenAPI description tells them. Nothing is built from these.

That the real answers have these fields and no others is what tests/api/openapi/test_fuzz.py holds. A field with a
default may be absent.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Fault(Answer):
    code: str
    message: str
    details: dict[str, Any]


class NativeError(Answer):
    """What was wrong, for programs (`code`), people (`message`) and forms (`details`)."""

    error: Fault


class PollError(Answer):
    """Why a task cannot be told, in the fields of a failed one."""

    error: str
    error_code: str
    error_details: dict[str, Any]
    status: Literal["failed"] = Field(
        "failed", description="only beside an unknown task: for pollers that read no more"
    )


class TextError(Answer):
    """What was wrong, in a sentence."""

    error: str


# the native API


class Fingerprint(Answer):
    checkpoint: str
    engine: str
    precision: str
    device: str


class Outcome(Answer):
    """The audio of a completed task."""

    success: Literal[True]
    filename: str
    format: str
    duration: float
    sample_rate: int
    channels: int
    bytes: int
    sha256: str
    generation_time: float
    fingerprint: Fingerprint
    warnings: list[str]
    continue_from: str | None = None
    continued_seconds: float = 0
    melody_seconds: float = 0
    beginning_seconds: float = 0
    # of a piece for several instruments
    audio_url: str = ""
    stems: dict[str, str] = Field({}, description="instrument -> the link to its part's audio")


class PartState(Answer):
    """One part of a piece for several instruments: a task of its own."""

    name: str
    task_id: str
    status: Literal["processing", "completed", "failed", "cancelled", "gone"]
    percent: float = Field(0, ge=0, le=100)
    prompt: str = ""
    seed: int = 0
    audio_url: str = ""


class Task(Answer):
    """A task as it stands now."""

    task_id: str
    status: Literal["processing", "completed", "failed", "cancelled"]
    stage: str
    progress: float = Field(ge=0, le=100)
    current: int
    total: int
    position: int | None
    eta_s: float | None
    model: str
    seed: int
    prompt: str
    output_format: str
    client_id: str | None
    attempts: int
    created_at: float
    queue_time: float
    run_time: float | None
    total_time: float
    status_url: str
    events_url: str = Field("", description="while it has not ended; signed once keys exist, for EventSource")
    stream_url: str = Field("", description="of one with stream: true, while it has not ended; signed as events_url")
    # of a completed one
    success: Literal[True] = True
    filename: str = ""
    format: str = ""
    duration: float = 0
    sample_rate: int = 0
    channels: int = 0
    bytes: int = 0
    sha256: str = ""
    generation_time: float = 0
    fingerprint: Fingerprint | None = None
    warnings: list[str] = Field([], description="at once what was odd about an upload; in the end all")
    audio_url: str = ""
    result: Outcome | None = None
    # of a failed one
    error: str = ""
    error_code: str = ""
    error_details: dict[str, Any] = {}
    # of one that goes on from audio
    continue_from: str | None = Field(None, description="the task whose audio it begins with; null for an upload")
    continued_seconds: float = Field(0, description="so much of the duration is that audio, to within 0.02 s")
    # of one with uploads
    melody_seconds: float = Field(0, description="heard in the melody")
    beginning_seconds: float = Field(0, description="heard in continue_audio, before continue_seconds cut it")
    # of one that came in a batch
    batch_id: str = ""
    # of a part of a piece for several instruments
    part: str = ""
    part_of: str = Field("", description="the task of the whole piece")
    # of such a piece
    tempo_bpm: int = 0
    key: str = ""
    mix_preset: str | None = None
    parts: list[PartState] = []


class GoneTask(Answer):
    """A task of a batch whose record is gone: how it ended is still known."""

    task_id: str
    status: Literal["queued", "running", "completed", "failed", "cancelled"]
    gone: Literal[True]


class Counts(Answer):
    queued: int
    running: int
    completed: int
    failed: int
    cancelled: int


class TaskBatch(Answer):
    """A batch as it stands now. `progress` is the percent done over all, each by its seconds of music."""

    batch_id: str
    status: Literal["processing", "completed", "partial", "failed", "cancelled"]
    counts: Counts
    total: int
    progress: float = Field(ge=0, le=100)
    eta_s: float | None
    created_at: float
    status_url: str
    tasks: list[Task | GoneTask]


class TaskPage(Answer):
    """The account's tasks, newest first."""

    tasks: list[Task]
    total: int
    limit: int
    offset: int


class TaskPurged(Answer):
    """All that was kept of the task is removed."""

    task_id: str
    purged: Literal[True]


class Event(Answer):
    """One event of a task's life."""

    event: Literal["queued", "started", "progress", "requeued", "completed", "failed", "cancelled", "gone"]
    data: str = Field(description="JSON", json_schema_extra={"contentMediaType": "application/json"})
    id: str = ""
    retry: int = 0


class Try(Answer):
    at: float
    duration_s: float
    status: int | None
    error: str | None


class Delivery(Answer):
    webhook_id: str
    event: str
    state: Literal["pending", "delivered", "failed", "gone"]
    happened_at: float
    attempts_made: int
    next_attempt_at: float | None
    attempts: list[Try]


class TaskDeliveries(Answer):
    """What became of the task's webhook."""

    task_id: str
    webhook_url: str | None
    webhook_events: list[str]
    deliveries: list[Delivery]
