"""Define a task's Server-Sent Events, and the JSON that each carries as its data."""

from __future__ import annotations

from typing import Literal, NotRequired

from pydantic import Json

from shared.jobs.response_schemas import Percent, ResponseSchema, TaskResponse

RequeueReason = Literal["lost", "failed", "left"]


class QueuedData(ResponseSchema):
    """Say where the task waits. Without `at`, only its position has changed."""

    task_id: str
    at: NotRequired[float]
    position: int | None
    eta_s: float | None


class StartedData(ResponseSchema):
    """Say which attempt has begun."""

    task_id: str
    at: float
    attempt: int


class ProgressData(ResponseSchema):
    """Say how far the attempt has come."""

    task_id: str
    at: float
    percent: Percent
    step: int
    steps: int
    stage: str
    eta_s: float | None


class RequeuedData(ResponseSchema):
    """Why the task waits for another attempt: its worker was lost, failed, or left it."""

    task_id: str
    at: float
    reason: RequeueReason
    code: str | None


class GoneData(ResponseSchema):
    """Why the end of the task cannot be read: its record was removed."""

    task_id: str
    message: str


class SentEvent(ResponseSchema):
    """Frame an event: what each has beside its name and data. One without an id is the state of the moment."""

    id: NotRequired[str]
    retry: NotRequired[int]


class QueuedEvent(SentEvent):
    """Say that the task waits, or that its position has changed."""

    event: Literal["queued"]
    data: Json[QueuedData]


class StartedEvent(SentEvent):
    """Say that a worker has begun the task."""

    event: Literal["started"]
    data: Json[StartedData]


class ProgressEvent(SentEvent):
    """Say how far the task has come."""

    event: Literal["progress"]
    data: Json[ProgressData]


class RequeuedEvent(SentEvent):
    """Say that the attempt is over and the task is not."""

    event: Literal["requeued"]
    data: Json[RequeuedData]


class EndedEvent(SentEvent):
    """Say that the task has ended. It is the last event."""

    event: Literal["completed", "failed", "cancelled"]
    data: Json[TaskResponse]


class GoneEvent(SentEvent):
    """Say that the task's record was removed before its end was read. It is the last event."""

    event: Literal["gone"]
    data: Json[GoneData]


EVENTS = (QueuedEvent, StartedEvent, ProgressEvent, RequeuedEvent, EndedEvent, GoneEvent)
