"""The shapes of the native answers, as the OpenAPI description tells them. Nothing is built from these.

That the real answers have these fields and no others is what tests/api/test_fuzz.py holds. A field with a default may
be absent.
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
    status: Literal["failed"] = Field(
        "failed", description="only beside an unknown task: for pollers that read no more"
    )


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
    warnings: list[str] = []
    audio_url: str = ""
    result: Outcome | None = None
    # of a failed one
    error: str = ""
    error_code: str = ""
    error_details: dict[str, Any] = {}
    # of one that came in a batch
    batch_id: str = ""


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
