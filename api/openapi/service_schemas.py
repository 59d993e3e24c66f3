"""Define the responses about the service itself: health, models, the description."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field

from shared.jobs.response_schemas import ResponseSchema


class Addresses(ResponseSchema):
    """Name the addresses of everything."""

    name: str
    submit: str
    batch: str
    poll: str
    audio: str
    cancel: str
    models: str
    health: str
    docs: str
    openapi: str
    page: str


class Index(Addresses):
    """Say how the service is, and where everything else is."""

    status: Literal["healthy", "unhealthy"]
    model: str
    device: str
    version: str


class System(ResponseSchema):
    """Describe the machine that this process runs on."""

    cpu_count: int | None
    load: list[float]
    memory_total_mb: int
    memory_available_mb: int
    disk_free_mb: int


class LiveWorker(ResponseSchema):
    """Describe one live worker. `fault`: why its engine can make nothing any more."""

    worker: str
    model: str
    checkpoint: str
    size: str
    digest: str
    engine: str
    precision: str
    device: str
    sample_rate_hz: int
    channels: int
    max_duration_s: float
    melody: bool
    slots: int
    version: str
    started_at: Annotated[float, Field(description="UNIX seconds")]
    revision: str | None
    drained: Annotated[bool, Field(description="by an operator: it claims nothing")]
    runner: Annotated[str, Field(description="how it decodes: graphs, native, eager or audiocraft")]
    runner_reason: Annotated[str | None, Field(description="why it decodes by no faster way; null if it does")]
    fault: str | None


class DecoderSandbox(ResponseSchema):
    """Name the layers of the confinement of uploads' decoders this machine lacks, and why."""

    missing: dict[str, str]


class Health(ResponseSchema):
    """Broker, storage, workers, queues and the machine. What only the broker knows is absent while it is away."""

    status: Literal["healthy", "unhealthy"]
    version: str
    faults: dict[str, str]
    system: System
    models_loaded: NotRequired[list[str]]
    workers: NotRequired[list[LiveWorker]]
    queues: NotRequired[dict[str, int]]
    running: NotRequired[int]
    decoder_sandbox: NotRequired[
        Annotated[DecoderSandbox, Field(description="only for callers with a key, once keys exist")]
    ]


class Readiness(ResponseSchema):
    """Say whether a request sent now would be served."""

    status: Literal["ready", "not ready"]
    faults: dict[str, str]


class Liveness(ResponseSchema):
    """Say that this process responds."""

    status: Literal["alive"]
    version: str


class ModelVocabulary(ResponseSchema):
    """List words that a model takes up well in a prompt, by what they decide, and whole prompts."""

    summary: Annotated[str, Field(description="what it can make, in a sentence")]
    instruments: list[str]
    moods: list[str]
    genres: list[str]
    tempi: list[str]
    keys: list[str]
    drums: list[str]
    examples: list[str]


class ModelRunner(ResponseSchema):
    """Say how some live worker decodes a model, and why by no faster way."""

    runner: Annotated[str, Field(description="graphs, native, eager or audiocraft")]
    reason: str | None


class ListedModel(ResponseSchema):
    """Describe one model; `workers` of the live ones serve it."""

    name: str
    size: str
    quality: str
    melody: bool
    stereo: bool
    max_duration: float
    workers: int
    runners: Annotated[list[ModelRunner], Field(description="how its live workers decode, each way once")]
    promised: Annotated[bool, Field(description="SERVED_MODELS names it: accepted without a live worker too")]
    queued: Annotated[int, Field(description="tasks that wait for it")]
    eta_s: Annotated[
        float | None, Field(description="seconds until 8 s of music that were asked for now are there; null if unknown")
    ]
    licence: Annotated[str | None, Field(description="of its weights, by its SPDX name; null if unknown")]
    vocabulary: ModelVocabulary | None


class Models(ResponseSchema):
    """List every known model, and how many live workers serve it."""

    models: list[ListedModel]
    default: str
    aliases: dict[str, str]


class Document(BaseModel):
    """Hold this description."""

    model_config = ConfigDict(extra="allow")
    openapi: str
