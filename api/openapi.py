"""The OpenAPI description, made from the very models that validate, and the routes that each dialect lists.

Owns how an `Operation` becomes OpenAPI 3.1. What the operations are, the dialects say; a test compares them with the
routes that really exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared.version import VERSION

PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
REF = "#/components/schemas/{model}"
WORDS = {
    400: "The request is wrong; the message names the field and the remedy",
    401: "No API key, or one that is unknown or disabled",
    404: "No such thing, or another account's",
    409: "The task's state does not allow that, or the Idempotency-Key was used for another request",
    413: "The body is over the limit",
    415: "The body is of a kind that is not read here",
    416: "The byte range lies outside the audio",
    429: "The queue is full, or the account's limit is reached; Retry-After tells when to try again",
    500: "The generation failed",
    501: "Not served by this version",
    503: "A part of the service is away; Retry-After tells when to try again",
}
ALWAYS = (401, 429, 503)


@dataclass(frozen=True)
class Operation:
    """One method of one path, in Flask's notation.

    `answers`: status -> (words, media type or None). `failures`: further statuses beside ALWAYS. `files`: form fields
    that are files; with some, the body may be a form, and with `form_only` it must be.
    """

    method: str
    path: str
    summary: str
    answers: Mapping[int, tuple[str, str | None]]
    body: type[BaseModel] | None = None
    files: tuple[str, ...] = ()
    form_only: bool = False
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failures: tuple[int, ...] = ()


@dataclass(frozen=True)
class Section:
    """One dialect: its operations, and the shape of its errors as a JSON schema."""

    name: str
    description: str
    operations: Sequence[Operation]
    error: Mapping[str, Any]


def ok(words: str, media_type: str | None = "application/json", status: int = 200) -> dict[int, tuple[str, str | None]]:
    return {status: (words, media_type)}


def text_error(key: str) -> dict[str, Any]:
    """The schema of {"<key>": "text", ...}."""
    return {"type": "object", "properties": {key: {"type": "string"}}, "required": [key]}


def describe(sections: Sequence[Section]) -> dict[str, Any]:
    """The whole document."""
    models = {op.body for section in sections for op in section.operations if op.body is not None}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema([(model, "validation") for model in ordered], ref_template=REF)
    components = dict(schemas.get("$defs", {}))
    paths: dict[str, dict[str, Any]] = {}
    for section in sections:
        components[_error_name(section)] = dict(section.error)
        for operation in section.operations:
            path = PARAMETER.sub(r"{\1}", operation.path)
            paths.setdefault(path, {})[operation.method.lower()] = _operation(section, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Ostinato", "version": VERSION, "description": "Text and melody to music."},
        "tags": [{"name": section.name, "description": section.description} for section in sections],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{}, {"header": []}, {"bearer": []}],
    }


def _operation(section: Section, operation: Operation) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": REF.format(model=_error_name(section))}}}
    failures = sorted({*operation.failures, *ALWAYS})
    responses: dict[str, Any] = {
        str(status): {"description": words} | ({"content": {media: {"schema": _schema_of(media)}}} if media else {})
        for status, (words, media) in operation.answers.items()
    }
    responses |= {str(status): {"description": WORDS[status], "content": error} for status in failures}
    found: dict[str, Any] = {
        "tags": [section.name],
        "summary": operation.summary,
        "operationId": _operation_id(section, operation),
        "responses": responses,
    }
    if parameters := [*_path_parameters(operation), *_query_parameters(operation)]:
        found["parameters"] = parameters
    if operation.body is not None:
        found["requestBody"] = {"required": True, "content": _contents(operation)}
    return found


def _contents(operation: Operation) -> dict[str, Any]:
    assert operation.body is not None
    reference = {"$ref": REF.format(model=operation.body.__name__)}
    contents: dict[str, Any] = {} if operation.form_only else {"application/json": {"schema": reference}}
    if operation.files:
        file = {"type": "string", "contentMediaType": "application/octet-stream"}
        fields = operation.body.model_json_schema(ref_template=REF).get("properties", {})
        properties = {**fields, **dict.fromkeys(operation.files, file)}
        contents["multipart/form-data"] = {"schema": {"type": "object", "properties": properties}}
    return contents


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in PARAMETER.findall(operation.path)
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": dict(schema)} for name, schema in operation.query.items()]


def _schema_of(media_type: str) -> dict[str, Any]:
    return {} if media_type == "application/json" else {"type": "string"}


def _error_name(section: Section) -> str:
    return re.sub(r"\W", "", section.name.title()) + "Error"


def _operation_id(section: Section, operation: Operation) -> str:
    words = re.findall(r"\w+", f"{section.name} {operation.method.lower()} {operation.path}")
    return "_".join(words)
