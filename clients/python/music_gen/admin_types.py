"""Define what /admin/api responds with about workers, queues and tasks. Times are UNIX seconds.

Written by tools/generate_client_types.py; do not edit.
"""

from __future__ import annotations

from typing import Literal, TypedDict


class AdminWorker(TypedDict):
    """Describe a live worker and what it does now."""

    worker: str
    model: str
    checkpoint: str
    size: str
    digest: str
    engine: str
    precision: str
    device: str
    sample_rate_hz: int
    channels: int
    max_duration_s: float
    melody: bool
    slots: int
    version: str
    started_at: float  # UNIX seconds
    revision: str | None
    drained: bool  # by an operator: it claims nothing
    runner: str  # how it decodes: graphs, native, eager or audiocraft
    runner_reason: str | None  # why it decodes by no faster way; null if it does
    fault: str | None
    running: dict[str, float]  # task id -> seconds until its lease ends
    seen_s_ago: float  # seconds since it last said that it lives
    real_time_factor: float | None  # seconds of music that one slot made in a second, of late; null: none yet


class WorkerDrain(TypedDict):
    """Say whether the worker claims tasks from now on."""

    worker: str
    drained: bool


class ModelQueue(TypedDict):
    """Describe the line of one model."""

    model: str
    waiting: dict[str, int]  # priority -> tasks that wait, parked ones included
    parked: int  # of those, beyond what their accounts may run at once
    blocked: int  # tasks that wait for other tasks, in no line
    running: int
    oldest_at: float | None  # when the longest waiting one was submitted


class AccountLoad(TypedDict):
    """Count the tasks of one account, over all models."""

    account: str
    waiting: int
    parked: int
    running: int
    concurrent: int | None  # how many may run at once; null is any number


class AdminQueue(TypedDict):
    """Describe all that waits and runs, by model and priority, and by account."""

    models: list[ModelQueue]
    accounts: list[AccountLoad]


class MinutePoint(TypedDict):
    """Count what happened in one minute, which began at `at`."""

    at: float
    queue_length: int  # at its end
    started: int
    wait_s: float | None  # mean wait of those that started; null where none did
    completed: int
    failed: int
    cancelled: int
    audio_s: float  # seconds of music made


class AdminTask(TypedDict):
    """Describe one task of any account."""

    task_id: str
    status: Literal["queued", "running", "completed", "failed", "cancelled"]
    stage: str
    progress: float  # percent
    model: str
    account: str
    key_id: str | None  # the API key that it was made with
    source: str  # the API by which it came
    priority: str
    prompt: str
    duration: float  # seconds of music
    attempts: int
    worker: str | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    queue_time: float  # seconds
    run_time: float | None  # seconds
    batch_id: str | None
    part_of: str | None  # the task of the whole piece
    retry_of: str | None  # the failed task that this one runs again, for an operator
    retried_as: str | None  # the task that runs this one again
    error_code: str | None
    error: str | None


class AdminTaskPage(TypedDict):
    """List tasks of all accounts, newest first. At most 2000 are read for one page: it may be short and go on."""

    tasks: list[AdminTask]
    next_before: int | None  # send it as `before` for the next page; null at the end


class StoryEntry(TypedDict):
    """Say one thing that happened to a task."""

    at: float
    kind: Literal["event", "webhook", "operator"]
    what: str
    detail: str
    attempt: int  # the attempt that was made last by then; 0 before the first


class TaskAttempt(TypedDict):
    """Describe one attempt at a task; `outcome` is null while it runs."""

    number: int
    worker: str
    started_at: float
    ended_at: float | None
    outcome: str | None


class DeliveryAttempt(TypedDict):
    """Describe one request to the receiver of a webhook; `status` is null where there was no response."""

    at: float
    duration_s: float
    status: int | None
    error: str | None


class Delivery(TypedDict):
    """Describe one event on its way to the receiver. `attempts` are the latest, `attempts_made` counts all."""

    webhook_id: str
    event: str
    state: Literal["pending", "delivered", "failed", "gone"]
    happened_at: float
    attempts_made: int
    next_attempt_at: float | None
    attempts: list[DeliveryAttempt]


class AdminTaskStory(TypedDict):
    """Tell all that happened to a task, in the order of time."""

    task: AdminTask
    story: list[StoryEntry]
    attempts: list[TaskAttempt]
    deliveries: list[Delivery]


class DeadLetter(TypedDict):
    """Describe a task whose attempts are used up, as all workers that ran it died; `given_up_at` then."""

    given_up_at: float
    task: AdminTask
