"""What may be asked for, and how it is sent: fields, files, keys. Knows no method, no path and no answer."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from music_gen.errors import InvalidRequest
from music_gen.types import Task, id_of

OutputFormat = Literal["wav", "mp3", "ogg", "flac", "opus"]
WebhookEvent = Literal["started", "completed", "failed", "cancelled"]
AudioFile = str | Path | bytes  # its path, or its bytes


class Fields(TypedDict, total=False):
    """What may be asked for beside prompt and duration. What is left out, the server decides."""

    model: str
    temperature: float
    top_k: int
    top_p: float
    guidance_scale: float
    seed: int
    output_format: OutputFormat
    loudness: float
    stream: bool
    title: str
    continue_from: Task | str
    continue_seconds: float
    client_id: str
    priority: Literal["high", "normal", "low"]
    timeout_s: float
    ttl_s: float
    cache: bool
    webhook_url: str
    webhook_events: Sequence[WebhookEvent]


class Asked(Fields, total=False):
    """All that one submission may have. Under an `idempotency_key` of your own it stays one task over restarts too."""

    melody: AudioFile
    continue_audio: AudioFile
    idempotency_key: str


class MixSettings(TypedDict, total=False):
    """How the instruments of a piece go together. What is left out is drawn, or the preset's."""

    mix_preset: str
    levels: Mapping[str, float]  # instrument -> dB
    panning: Mapping[str, float]  # instrument -> -1 to 1
    effects: Mapping[str, Sequence[Mapping[str, Any]]]  # instrument -> {"type": "reverb", ...}, ...
    tempo_bpm: int
    key: str  # "A minor"
    loudness: float  # LUFS of the mix


def wish(prompt: str | None, duration: float | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """One request's fields; None is as good as left out."""
    given = {"prompt": prompt, "duration": duration, **fields}
    if given.get("continue_from") is not None:
        given["continue_from"] = id_of(given["continue_from"])
    return {name: value for name, value in given.items() if value is not None}


def keyed(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key or str(uuid.uuid4())}


def as_text(value: object) -> str:
    """As a form says it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def file_of(field: str, audio: AudioFile) -> tuple[str, bytes]:
    """Read at once: a try that failed may have read half of an open file."""
    if isinstance(audio, bytes):
        return field, audio
    path = Path(audio)
    try:
        return path.name, path.read_bytes()
    except OSError as error:
        fault = {"field": field, "message": f"{path} cannot be read: {error.strerror}", "value": str(path)}
        raise InvalidRequest.of(fault) from error
