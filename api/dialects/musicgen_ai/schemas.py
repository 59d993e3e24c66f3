"""Define the response bodies of the Music Gen AI API."""

from __future__ import annotations

from typing import Literal, NotRequired

from api.openapi.schemas import Fault
from shared.jobs.response_schemas import BatchCounts, BatchStatus, Percent, ResponseSchema, TaskStatus


class Accepted(ResponseSchema):
    """Poll /api/v1/generate/<task_id>; `eta` in seconds."""

    task_id: str
    status: Literal["processing"]
    eta: int | None


class Stem(ResponseSchema):
    name: str
    task_id: str
    audio_url: str


class CompositionMetadata(ResponseSchema, total=False):
    """Hold what the metadata of a piece for several instruments has besides."""

    tempo_bpm: int
    key: str
    mix_preset: str | None
    stems: list[Stem]


class Metadata(CompositionMetadata):
    prompt: str
    model: str
    seed: int
    format: str
    sample_rate: int
    channels: int
    bytes: int
    generation_time: float
    warnings: list[str]


class Generation(ResponseSchema):
    """Describe a task as it stands now."""

    task_id: str
    status: TaskStatus
    # while it has not ended
    eta: NotRequired[int | None]
    progress: NotRequired[Percent]
    # of a completed one
    audio_url: NotRequired[str]
    duration: NotRequired[float]
    metadata: NotRequired[Metadata]
    # of a failed one
    error: NotRequired[Fault]


class BatchItem(ResponseSchema):
    """Name one clip of a batch; of one whose record is gone, nothing but its id."""

    task_id: str
    status: NotRequired[Literal["processing"]]
    eta: NotRequired[int | None]


class BatchAccepted(Accepted):
    """Poll /api/v1/generate/batch/<batch_id>, `task_id` being that id too, or each task by itself."""

    batch_id: str
    tasks: list[BatchItem]


class BatchEstimate(ResponseSchema, total=False):
    """Hold the estimate of a batch that has not ended."""

    eta: int | None


class GenerationBatch(BatchEstimate):
    """Describe a batch as it stands now; `task_id` is the batch's id."""

    task_id: str
    batch_id: str
    status: BatchStatus
    progress: Percent
    counts: BatchCounts
    tasks: list[Generation]


class NamedModel(ResponseSchema):
    name: str
    size: str
    quality: str
    available: bool


class NamedModels(ResponseSchema):
    """List every known model."""

    models: list[NamedModel]


class Ticket(ResponseSchema):
    """Give an address that can be opened without a key, as this account, until it runs out."""

    url: str
    expires_in_s: int
