"""The shapes of what the service says of itself, as the OpenAPI description tells them. Nothing is built from these."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from api.openapi.schemas import Answer


class Index(Answer):
    """How the service is, and where everything else is."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())
    status: Literal["healthy", "unhealthy"]
    model: str
    device: str
    version: str


class System(Answer):
    cpu_count: int | None
    load: list[float]
    memory_total_mb: int
    memory_available_mb: int
    disk_free_mb: int


class DecoderSandbox(Answer):
    """Which layers of the confinement of uploads' decoders this machine lacks, and why."""

    missing: dict[str, str]


class Health(Answer):
    """Broker, storage, workers, queues and the machine. What only the broker knows is absent while it is away."""

    status: Literal["healthy", "unhealthy"]
    version: str
    faults: dict[str, str]
    system: System
    models_loaded: list[str] = Field([])
    workers: list[dict[str, Any]] = Field([])
    queues: dict[str, int] = Field({})
    running: int = 0
    decoder_sandbox: DecoderSandbox | None = Field(None, description="only for callers with a key, once keys exist")


class Readiness(Answer):
    """Whether a request sent now would be served."""

    status: Literal["ready", "not ready"]
    faults: dict[str, str]


class Liveness(Answer):
    """This process answers."""

    status: Literal["alive"]
    version: str


class Window(Answer):
    limit: int | None
    used: int


class Usage(Answer):
    """What the asking account may do, and what it has used of that."""

    account: str
    windows: dict[str, Window]
    concurrent: Window
    bandwidth: Window


class KnownModel(Answer):
    name: str
    size: str
    quality: str
    melody: bool
    stereo: bool
    max_duration: float
    workers: int


class Models(Answer):
    """Every known model, and how many live workers serve it."""

    models: list[KnownModel]
    default: str
    aliases: dict[str, str]


class Document(Answer):
    """This description."""

    model_config = ConfigDict(extra="allow")
    openapi: str
