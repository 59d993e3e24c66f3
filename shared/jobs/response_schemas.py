"""Define the shapes of a task's response: what the API sends, webhooks carry, and the OpenAPI description describes.

Plain dicts at run time, so that building one costs nothing more; mypy holds what is built to them, and pydantic makes
the description and the clients' types of the very same classes. A NotRequired field is absent where it has no meaning.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from shared.jobs.job import Status
from shared.music.request import OutputFormat
from shared.webhooks.subscription import EVENTS

TaskStatus = Literal["processing", "completed", "failed", "cancelled"]
BatchStatus = Literal["processing", "completed", "partial", "failed", "cancelled"]
Percent = Annotated[float, Field(ge=0, le=100, description="percent")]


@with_config(ConfigDict(extra="forbid"))
class ResponseSchema(TypedDict):
    """Describe a JSON object with the fields of its class and no others."""


class FingerprintResponse(ResponseSchema):
    """Say what a seed's promise holds within: same request, same seed, same fingerprint, same audio."""

    checkpoint: str
    engine: str
    precision: str
    device: str


class UploadFields(ResponseSchema, total=False):
    """Say what is known of the audio that a task begins with or follows."""

    continue_from: Annotated[str | None, Field(description="the task whose audio it begins with; null for an upload")]
    continued_seconds: Annotated[
        float, Field(description="seconds of the duration that are that audio, to within 0.02")
    ]
    melody_seconds: Annotated[float, Field(description="seconds of the melody")]
    beginning_seconds: Annotated[float, Field(description="seconds of continue_audio, before continue_seconds cut it")]


class ClipResult(UploadFields):
    """Describe the audio of a completed task."""

    success: Literal[True]
    filename: str
    format: OutputFormat
    duration: Annotated[float, Field(description="seconds")]
    sample_rate: Annotated[int, Field(description="Hz")]
    channels: int
    bytes: int
    sha256: str
    generation_time: float
    fingerprint: FingerprintResponse
    warnings: list[str]


class MixResult(ClipResult):
    """Describe the audio of a completed mix, and of its parts."""

    audio_url: str
    stems: Annotated[dict[str, str], Field(description="instrument -> the link to its part's audio")]


class PartResponse(ResponseSchema):
    """Describe the part of one instrument: a task of its own. Its status is gone once its record is."""

    name: str
    task_id: str
    status: Literal["processing", "completed", "failed", "cancelled", "gone"]
    percent: NotRequired[Percent]
    prompt: NotRequired[str]
    seed: NotRequired[int]
    audio_url: NotRequired[str]
    level: NotRequired[Annotated[float, Field(description="dB that it is mixed at; -96 leaves it out")]]
    panning: NotRequired[Annotated[float, Field(description="from -1 (left) to 1 (right)")]]
    effects: NotRequired[Annotated[list[dict[str, Any]], Field(description="that it goes through, first to last")]]


class TaskProgress(ResponseSchema):
    """Hold what every response about a task has."""

    task_id: str
    status: TaskStatus
    stage: str
    progress: Percent
    current: Annotated[int, Field(description="steps")]
    total: Annotated[int, Field(description="steps")]
    position: Annotated[int | None, Field(description="how many tasks are before it in the queue")]
    eta_s: Annotated[float | None, Field(description="seconds until its end; null while it is unknown")]
    model: str
    seed: int
    prompt: str
    output_format: OutputFormat
    client_id: str | None
    attempts: int
    created_at: Annotated[float, Field(description="UNIX seconds")]
    queue_time: Annotated[float, Field(description="seconds")]
    run_time: Annotated[float | None, Field(description="seconds")]
    total_time: Annotated[float, Field(description="seconds")]
    status_url: str


class TaskResponse(TaskProgress, UploadFields):
    """Describe a task as it stands now."""

    request: Annotated[
        dict[str, Any],
        Field(description="the fields by which POST /tasks makes it again; a recording that came with it is none"),
    ]
    title: NotRequired[str]
    favourite: NotRequired[Annotated[Literal[True], Field(description="it is kept until it is none any more")]]
    # of one that came in a batch
    batch_id: NotRequired[str]
    # of a part of a piece for several instruments
    part: NotRequired[str]
    part_of: NotRequired[Annotated[str, Field(description="the task of the whole piece")]]
    # of a completed one
    success: NotRequired[Literal[True]]
    filename: NotRequired[str]
    format: NotRequired[OutputFormat]
    duration: NotRequired[Annotated[float, Field(description="seconds")]]
    sample_rate: NotRequired[Annotated[int, Field(description="Hz")]]
    channels: NotRequired[int]
    bytes: NotRequired[int]
    sha256: NotRequired[str]
    generation_time: NotRequired[float]
    fingerprint: NotRequired[FingerprintResponse]
    warnings: NotRequired[
        Annotated[list[str], Field(description="at once what was odd about an upload; in the end all")]
    ]
    audio_url: NotRequired[str]
    result: NotRequired[ClipResult | MixResult]
    # of a failed one
    error: NotRequired[str]
    error_code: NotRequired[str]
    error_details: NotRequired[dict[str, Any]]
    # as they were sent; of a piece for several instruments, what its parts have in common
    tempo_bpm: NotRequired[int]
    key: NotRequired[str]
    continue_at: NotRequired[Annotated[float, Field(description="seconds at which the earlier task's audio is cut")]]
    # of a piece for several instruments
    mix_preset: NotRequired[str | None]
    mix_of: NotRequired[Annotated[str | None, Field(description="the earlier piece whose stems are mixed again")]]
    loudness: NotRequired[Annotated[float, Field(description="LUFS of the mix")]]
    parts: NotRequired[list[PartResponse]]
    # while it has not ended
    events_url: NotRequired[Annotated[str, Field(description="signed once keys exist, for EventSource")]]
    stream_url: NotRequired[Annotated[str, Field(description="of one with stream: true; signed as events_url")]]


class GoneTask(ResponseSchema):
    """Stand for a task of a batch whose record is gone: how it ended is still known."""

    task_id: str
    status: Status
    gone: Literal[True]


class BatchCounts(ResponseSchema):
    """Count the tasks of a batch by status."""

    queued: int
    running: int
    completed: int
    failed: int
    cancelled: int


class BatchResponse(ResponseSchema):
    """Describe a batch as it stands now. `progress` is the percent done over all, each by its seconds of music."""

    batch_id: str
    status: BatchStatus
    counts: BatchCounts
    total: int
    progress: Percent
    eta_s: Annotated[float | None, Field(description="seconds until its end; null while it is unknown")]
    created_at: Annotated[float, Field(description="UNIX seconds")]
    status_url: str
    tasks: list[TaskResponse | GoneTask]


class TaskWebhook(ResponseSchema):
    """Describe what is posted to `webhook_url`: the task as it was at the event."""

    type: Annotated[str, Field(json_schema_extra={"enum": [f"task.{event}" for event in EVENTS]})]
    timestamp: Annotated[str, Field(description="ISO 8601, of the event", json_schema_extra={"format": "date-time"})]
    data: TaskResponse
