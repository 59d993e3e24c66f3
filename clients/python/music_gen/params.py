"""Write what is asked for as it is sent: fields, files, keys. Knows no method, no path and no response."""

from __future__ import annotations

import base64
import mimetypes
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from music_gen.errors import InvalidRequest
from music_gen.request_fields import AudioFile, MixFields
from music_gen.types import id_of

FILES = ("melody", "continue_audio")
ANY_AUDIO = "audio/octet-stream"  # the server tells what it is by its content


class MixSettings(TypedDict, total=False):
    """Say how the instruments of a piece go together. What is left out is drawn, or the preset's."""

    mix_preset: str
    levels: Mapping[str, float]  # instrument -> dB
    panning: Mapping[str, float]  # instrument -> -1 to 1
    effects: Mapping[str, Sequence[Mapping[str, Any]]]  # instrument -> {"type": "reverb", ...}, ...
    tempo_bpm: int
    key: str  # "A minor"
    loudness: float  # LUFS of the mix


class RemixSettings(MixFields, total=False):
    """Say how a piece is mixed again: left out is as the piece has it, None is the default, such as no preset."""

    mix_preset: str | None
    levels: Mapping[str, float] | None  # instrument -> dB; -96 leaves it out
    panning: Mapping[str, float] | None
    effects: Mapping[str, Sequence[Mapping[str, Any]]] | None


def sent_fields(prompt: str | None, duration: float | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return one request's fields; None is as good as left out."""
    given = {"prompt": prompt, "duration": duration, **fields}
    if given.get("continue_from") is not None:
        given["continue_from"] = id_of(given["continue_from"])
    return {name: value for name, value in given.items() if value is not None}


def in_json(fields: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Return a request's fields as JSON has them, recordings as data: URIs. `where` stands before names in errors.

    Raises InvalidRequest for a file that cannot be read.
    """
    files = {name: data_uri(f"{where}{name}", fields[name]) for name in FILES if fields.get(name) is not None}
    return sent_fields(None, None, {**fields, **files})


def data_uri(field: str, audio: AudioFile) -> str:
    """Return a recording as a data: URI (RFC 2397). Raises InvalidRequest for a file that cannot be read."""
    name, data = file_of(field, audio)
    guessed = mimetypes.guess_type(name)[0] or ""
    media_type = guessed if guessed.startswith("audio/") else ANY_AUDIO
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def keyed(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key or str(uuid.uuid4())}


def as_text(value: object) -> str:
    """Return a value as a form says it."""
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
