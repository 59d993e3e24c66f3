"""Describe the response bodies of /v1/audio/music. A field with a default may be absent."""

from __future__ import annotations

from typing import Any, Literal

from api.openapi.schemas import ResponseModel


class MusicError(ResponseModel):
    """Report an error in the envelope's words; all fields only for a full queue."""

    code: int
    message: str
    error: str = ""
    id: str | None = None
    job_id: str = ""
    pid: int = 0
    queue_length: int = 0
    build_number: str = ""


class Music(ResponseModel):
    message: str
    output_url: str
    duration: float
    model_used: str
    description: str
    file_size: int
    sampling_rate: int


class MusicEnvelope(ResponseModel):
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


class MusicAccepted(ResponseModel):
    """It will be posted to `webhook_url`."""

    code: Literal[202]
    id: str | None
    job_id: str
    message: Literal["processing"]
    pid: int
    queue_length: int
    max_queue_length: int
    build_number: str


class MusicUsage(ResponseModel):
    """How the endpoint is used."""

    endpoint: str
    method: str
    description: str
    parameters: dict[str, dict[str, Any]]
    examples: list[dict[str, Any]]
