"""Define the responses of /admin/api about workers, queues and tasks. Times are UNIX seconds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.openapi.schemas import DeliveryResponse
from api.openapi.service_schemas import LiveWorker
from shared.jobs.response_schemas import Percent, ResponseSchema

JobStatus = Literal["queued", "running", "completed", "failed", "cancelled"]


class AdminWorker(LiveWorker):
    """Describe a live worker and what it does now."""

    running: Annotated[dict[str, float], Field(description="task id -> seconds until its lease ends")]
    seen_s_ago: Annotated[float, Field(description="seconds since it last said that it lives")]
    real_time_factor: Annotated[
        float | None, Field(description="seconds of music that one slot made in a second, of late; null: none yet")
    ]


class AdminWorkers(ResponseSchema):
    """List the live workers, by name."""

    workers: list[AdminWorker]


class WorkerDrain(ResponseSchema):
    """Say whether the worker claims tasks from now on."""

    worker: str
    drained: bool


class ModelQueue(ResponseSchema):
    """Describe the line of one model."""

    model: str
    waiting: Annotated[dict[str, int], Field(description="priority -> tasks that wait, parked ones included")]
    parked: Annotated[int, Field(description="of those, beyond what their accounts may run at once")]
    blocked: Annotated[int, Field(description="tasks that wait for other tasks, in no line")]
    running: int
    oldest_at: Annotated[float | None, Field(description="when the longest waiting one was submitted")]


class AccountLoad(ResponseSchema):
    """Count the tasks of one account, over all models."""

    account: str
    waiting: int
    parked: int
    running: int
    concurrent: Annotated[int | None, Field(description="how many may run at once; null is any number")]


class AdminQueue(ResponseSchema):
    """Describe all that waits and runs, by model and priority, and by account."""

    models: list[ModelQueue]
    accounts: list[AccountLoad]


class MinutePoint(ResponseSchema):
    """Count what happened in one minute, which began at `at`."""

    at: float
    queue_length: Annotated[int, Field(description="at its end")]
    started: int
    wait_s: Annotated[float | None, Field(description="mean wait of those that started; null where none did")]
    completed: int
    failed: int
    cancelled: int
    audio_s: Annotated[float, Field(description="seconds of music made")]


class AdminCharts(ResponseSchema):
    """Give the last hour minute by minute, the oldest first; the last minute is not over."""

    points: list[MinutePoint]


class AdminTask(ResponseSchema):
    """Describe one task of any account."""

    task_id: str
    status: JobStatus
    stage: str
    progress: Percent
    model: str
    account: str
    key_id: Annotated[str | None, Field(description="the API key that it was made with")]
    source: Annotated[str, Field(description="the API by which it came")]
    priority: str
    prompt: str
    duration: Annotated[float, Field(description="seconds of music")]
    attempts: int
    worker: str | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    queue_time: Annotated[float, Field(description="seconds")]
    run_time: Annotated[float | None, Field(description="seconds")]
    batch_id: str | None
    part_of: Annotated[str | None, Field(description="the task of the whole piece")]
    retry_of: Annotated[str | None, Field(description="the failed task that this one runs again, for an operator")]
    retried_as: Annotated[str | None, Field(description="the task that runs this one again")]
    error_code: str | None
    error: str | None


class AdminTaskPage(ResponseSchema):
    """List tasks of all accounts, newest first. At most 2000 are read for one page: it may be short and go on."""

    tasks: list[AdminTask]
    next_before: Annotated[int | None, Field(description="send it as `before` for the next page; null at the end")]


class StoryEntry(ResponseSchema):
    """Say one thing that happened to a task."""

    at: float
    kind: Literal["event", "webhook", "operator"]
    what: str
    detail: str
    attempt: Annotated[int, Field(description="the attempt that was made last by then; 0 before the first")]


class TaskAttempt(ResponseSchema):
    """Describe one attempt at a task; `outcome` is null while it runs."""

    number: int
    worker: str
    started_at: float
    ended_at: float | None
    outcome: str | None


class AdminTaskStory(ResponseSchema):
    """Tell all that happened to a task, in the order of time."""

    task: AdminTask
    story: list[StoryEntry]
    attempts: list[TaskAttempt]
    deliveries: list[DeliveryResponse]


class RetriedTask(ResponseSchema):
    """Name the copy that runs in place of a failed task."""

    task_id: str
    retried_as: str


class DeadLetter(ResponseSchema):
    """Describe a task whose attempts are used up, as all workers that ran it died; `given_up_at` then."""

    given_up_at: float
    task: AdminTask


class DeadLetters(ResponseSchema):
    """List the dead letters, the newest first, 100 at most."""

    dead_letters: list[DeadLetter]


class RequeuedDeadLetter(ResponseSchema):
    """Name the copy that runs in place of a dead letter."""

    task_id: str
    requeued_as: str


class DroppedDeadLetter(ResponseSchema):
    """Say that a dead letter is forgotten; its task's record stays for its time."""

    task_id: str
    dropped: Literal[True]
