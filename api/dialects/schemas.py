"""The shapes of the five documents' answers, as the OpenAPI description tells them. Nothing is built from these.

A field with a default may be absent.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, RootModel

from api.openapi.schemas import Answer, Counts, Fault

# /v1/audio/music


class MusicError(Answer):
    """In the envelope's words; all of it only for a full queue."""

    code: int
    message: str
    error: str = ""
    id: str | None = None
    job_id: str = ""
    pid: int = 0
    queue_length: int = 0
    build_number: str = ""


class Music(Answer):
    message: str
    output_url: str
    duration: float
    model_used: str
    description: str
    file_size: int
    sampling_rate: int


class MusicEnvelope(Answer):
    """The finished clip."""

    endpoint: str
    code: Literal[200]
    id: str | None
    job_id: str
    response: Music
    message: str
    pid: int
    run_time: float | None
    queue_time: float
    total_time: float
    queue_length: int
    build_number: str


class MusicAccepted(Answer):
    """It will be posted to `webhook_url`."""

    code: Literal[202]
    id: str | None
    job_id: str
    message: Literal["processing"]
    pid: int
    queue_length: int
    max_queue_length: int
    build_number: str


class MusicUsage(Answer):
    """How the endpoint is used."""

    endpoint: str
    method: str
    description: str
    parameters: dict[str, dict[str, Any]]
    examples: list[dict[str, Any]]


# S.Rocks.Music


class DetailError(Answer):
    """What was wrong, in a sentence."""

    detail: str


class MadeFile(Answer):
    """The finished clip."""

    file_url: str
    duration: float
    timestamp: str
    prompt: str


class StoredFile(Answer):
    filename: str
    url: str
    created_at: str
    size_kb: float


class StoredFileList(RootModel[list[StoredFile]]):
    """The last files, newest first."""


# AudioCraft REST


class TextError(Answer):
    """What was wrong, in a sentence."""

    error: str


class MadeClip(Answer):
    """The finished clip: a link to it, or the audio itself in base64."""

    success: Literal[True]
    generation_time: float
    format: str
    sample_rate: int
    audio_url: str = ""
    audio: str = ""


class Started(Answer):
    """Poll /tasks/<task_id>."""

    task_id: str
    status: Literal["processing"]


# Music Gen AI


class Accepted(Answer):
    """Poll /api/v1/generate/<task_id>; `eta` in seconds."""

    task_id: str
    status: Literal["processing"]
    eta: int | None


class Stem(Answer):
    name: str
    task_id: str
    audio_url: str


class Metadata(Answer):
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


class Generation(Answer):
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


class GenerationBatch(Answer):
    """A batch as it stands now; `task_id` is the batch's id."""

    task_id: str
    batch_id: str
    status: Literal["processing", "completed", "partial", "failed", "cancelled"]
    eta: int | None = None
    progress: float = Field(ge=0, le=100)
    counts: Counts
    tasks: list[Generation]


class NamedModel(Answer):
    name: str
    size: str
    quality: str
    available: bool


class NamedModels(Answer):
    """Every known model."""

    models: list[NamedModel]
