"""Describe the response bodies of the Music Gen AI API.

A field with a default may be absent.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.openapi.schemas import Fault, ResponseModel
from shared.jobs.response_schemas import BatchCounts


class Accepted(ResponseModel):
    """Poll /api/v1/generate/<task_id>; `eta` in seconds."""

    task_id: str
    status: Literal["processing"]
    eta: int | None


class Stem(ResponseModel):
    name: str
    task_id: str
    audio_url: str


class Metadata(ResponseModel):
    prompt: str
    model: str
    seed: int
    format: str
    sample_rate: int
    channels: int
    bytes: int
    generation_time: float
    warnings: list[str]
    # of a piece for several instruments
    tempo_bpm: int = 0
    key: str = ""
    mix_preset: str | None = None
    stems: list[Stem] = Field([])


class Generation(ResponseModel):
    """A task as it stands now."""

    task_id: str
    status: Literal["processing", "completed", "failed", "cancelled"]
    eta: int | None = None
    progress: float = Field(0, ge=0, le=100)
    audio_url: str = ""
    duration: float = 0
    metadata: Metadata | None = None
    error: Fault | None = None


class BatchAccepted(Accepted):
    """`task_id` is the batch's id. Poll /api/v1/generate/batch/<batch_id>, or each task by itself."""

    batch_id: str
    tasks: list[Accepted]


class GenerationBatch(ResponseModel):
    """A batch as it stands now; `task_id` is the batch's id."""

    task_id: str
    batch_id: str
    status: Literal["processing", "completed", "partial", "failed", "cancelled"]
    eta: int | None = None
    progress: float = Field(ge=0, le=100)
    counts: BatchCounts
    tasks: list[Generation]


class NamedModel(ResponseModel):
    name: str
    size: str
    quality: str
    available: bool


class NamedModels(ResponseModel):
    """Every known model."""

    models: list[NamedModel]
