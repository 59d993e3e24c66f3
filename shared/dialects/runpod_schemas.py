"""Define a job's state in RunPod's protocol, which its routes respond with and its webhooks carry.

Times in milliseconds.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field

from shared.jobs.response_schemas import ResponseSchema

RunStatus = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED"]


class ClipOutput(ResponseSchema):
    audio_base64: str
    generation_time: float
    prompt: str
    duration: float
    seed: int
    sample_rate: int
    success: Literal[True]
    melody_seconds: NotRequired[float]  # how long the melody was that the input had
    warnings: NotRequired[Annotated[list[str], Field(description="such as a field that the model cannot honour")]]


class RunState(ResponseSchema):
    """Describe a job as it stands now; times in milliseconds."""

    id: str
    status: RunStatus
    delayTime: NotRequired[int]  # noqa: N815 - the protocol's own names
    executionTime: NotRequired[int]  # noqa: N815
    workerId: NotRequired[str]  # noqa: N815
    output: NotRequired[ClipOutput]
    error: NotRequired[str]
