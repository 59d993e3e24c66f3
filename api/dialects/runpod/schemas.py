"""Describe the response bodies of RunPod's protocol; times in milliseconds.

A field with a default may be absent.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from api.openapi.schemas import ResponseModel


class ClipOutput(ResponseModel):
    audio_base64: str
    generation_time: float
    prompt: str
    duration: float
    seed: int
    sample_rate: int
    success: Literal[True]
    warnings: list[str] = Field([], description="such as a field that the model cannot honour")


class RunState(ResponseModel):
    """A job as it stands now; times in milliseconds."""

    id: str
    status: Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED"]
    delayTime: int = 0  # noqa: N815 - the protocol's own names
    executionTime: int = 0  # noqa: N815
    workerId: str = ""  # noqa: N815
    output: ClipOutput | None = None
    error: str = ""


class Chunk(ResponseModel):
    metrics: dict[str, Any]
    output: ClipOutput


class RunStream(ResponseModel):
    """Hold the output so far."""

    id: str
    status: str
    stream: list[Chunk]


class QueuePurged(ResponseModel):
    """How many waiting jobs were cancelled."""

    removed: int
    status: Literal["completed"]


class JobCounts(ResponseModel):
    completed: int
    failed: int
    inProgress: int  # noqa: N815
    inQueue: int  # noqa: N815
    retried: int


class WorkerCounts(ResponseModel):
    idle: int
    running: int


class EndpointHealth(ResponseModel):
    """The endpoint's jobs and workers."""

    jobs: JobCounts
    workers: WorkerCounts
