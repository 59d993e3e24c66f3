"""Define the response bodies of RunPod's protocol. A job's state, which webhooks carry too, is in shared/dialects."""

from __future__ import annotations

from typing import Literal

from shared.dialects.runpod_schemas import ClipOutput, RunStatus
from shared.jobs.response_schemas import ResponseSchema


class RunChunk(ResponseSchema):
    metrics: dict[str, float]
    output: ClipOutput


class RunStream(ResponseSchema):
    """Hold the output so far."""

    id: str
    status: RunStatus
    stream: list[RunChunk]


class QueuePurged(ResponseSchema):
    """Say how many waiting jobs were cancelled."""

    removed: int
    status: Literal["completed"]


class JobCounts(ResponseSchema):
    completed: int
    failed: int
    inProgress: int  # noqa: N815 - the protocol's own names
    inQueue: int  # noqa: N815
    retried: int


class WorkerCounts(ResponseSchema):
    idle: int
    running: int


class EndpointHealth(ResponseSchema):
    """Count the endpoint's jobs and workers."""

    jobs: JobCounts
    workers: WorkerCounts
