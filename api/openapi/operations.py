"""Define the operations that modules of routes list, and that the description is made of.

Knows nothing of OpenAPI: api/openapi/builder.py turns an `Operation` into it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from shared.music.formats import FORMATS

Schema = type[Any]  # of a response: a TypedDict, or a pydantic model

AUDIO_FILE = "A recording: wav, mp3, ogg, flac, m4a, aac or webm"
AUDIO_TYPES = tuple(dict.fromkeys(each.media_type for each in FORMATS.values()))


@dataclass(frozen=True)
class Media:
    """Describe a response that is not JSON; without types it has no body. `items`: what a stream consists of."""

    words: str
    types: tuple[str, ...] = ()
    items: tuple[Schema, ...] = ()


@dataclass(frozen=True)
class Operation:
    """Describe one method of one path, in Flask's notation. `id` becomes a function's name in generated clients.

    `failures`: statuses beside those that follow from the rest. `files`: the form fields that are files, each in a few
    words; with them the body may be a form. `submits`: makes a task, and takes an Idempotency-Key. `alone`: asks no
    other part of the service. `error`: the shape of its errors, where that is not its section's. `response_headers`: of
    all its `responses`.
    """

    method: str
    path: str
    id: str
    summary: str
    responses: Mapping[int, Schema | Media | tuple[Schema, ...]]
    body: type[BaseModel] | None = None
    example: Mapping[str, Any] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    submits: bool = False
    alone: bool = False
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failures: tuple[int, ...] = ()
    error: Schema | None = None
    response_headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """Group the operations of a dialect, or of a part of the native API, with the shapes of its errors and webhooks."""

    name: str
    description: str
    operations: Sequence[Operation]
    error: Schema
    webhook: Schema | None = None


def integer(default: int, least: int, most: int) -> dict[str, Any]:
    """Return the schema of an integer of the query."""
    return {"type": "integer", "default": default, "minimum": least, "maximum": most}


def audio_responses(words: str, *, linked: bool = True) -> dict[int, Media]:
    """Return the responses of a route that serves a stored clip; one that is `linked` may lead to the store instead."""
    elsewhere = {302: Media("It lies at the store's own link")} if linked else {}
    return {
        200: Media(words, AUDIO_TYPES),
        206: Media("The range asked for", AUDIO_TYPES),
        **elsewhere,
        304: Media("It is the audio that If-None-Match names"),
    }


RANGE: Mapping[str, Mapping[str, Any]] = {
    "Range": {"type": "string", "examples": ["bytes=0-1023"]},
    "If-Range": {"type": "string", "description": "The ETag of which the range is a part; of another clip all is sent"},
    "If-None-Match": {"type": "string", "description": "The ETag of what is already there"},
}
