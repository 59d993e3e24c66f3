"""Define the response bodies of /v1/audio/music. The envelope, which webhooks carry too, is in shared/dialects."""

from __future__ import annotations

from typing import Literal, NotRequired

from shared.jobs.response_schemas import ResponseSchema


class MusicError(ResponseSchema):
    """Report an error in the envelope's words; all fields only for a full queue."""

    code: int
    message: str
    error: NotRequired[str]
    id: NotRequired[str | None]
    job_id: NotRequired[str]
    pid: NotRequired[int]
    queue_length: NotRequired[int]
    build_number: NotRequired[str]


class MusicAccepted(ResponseSchema):
    """Wait for the envelope: it will be posted to `webhook_url`."""

    code: Literal[202]
    id: str | None
    job_id: str
    message: Literal["processing"]
    pid: int
    queue_length: int
    max_queue_length: int
    build_number: str


class UsageParameter(ResponseSchema):
    """Describe one field of the body."""

    type: Literal["string", "integer"]
    required: bool
    description: str
    default: NotRequired[str | int]
    max: NotRequired[int]
    options: NotRequired[list[str]]


class UsageExample(ResponseSchema):
    """Show a body."""

    description: str
    duration: int
    model_size: str


class MusicUsage(ResponseSchema):
    """Say how the endpoint is used."""

    endpoint: str
    method: str
    description: str
    parameters: dict[str, UsageParameter]
    examples: list[UsageExample]
