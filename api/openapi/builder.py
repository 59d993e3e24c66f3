"""Build the OpenAPI description from the models that validate requests and the schemas that responses are built to.

Owns how an `Operation` becomes OpenAPI 3.1, and which failures follow from what it is: a body can be too large, a path
can lead nowhere. What the operations are, the modules with the routes say; a test compares the two. The schemas are
made in api/openapi/components.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from api.http.request_body import KEY_CHARACTERS, KEY_HEADER
from api.openapi.components import BINARY, Components, make_components, schemas_of
from api.openapi.operations import Media, Operation, Schema, Section
from shared.version import VERSION

PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
JSON, HTML = "application/json", "text/html"  # a page has no schema
WORDS = {
    400: "The request is wrong; the message names the field and the remedy",
    401: "No API key, or one that is unknown or disabled",
    403: "A web page from elsewhere asks, or the host is no name of this machine, while no API key exists",
    404: "No such thing, or another account's",
    409: "The task's state does not allow that",
    408: "The body came too slowly",
    410: "The link has run out, or was withdrawn",
    413: "The body is over the limit",
    415: "The body is of a kind that is not read here",
    416: "The byte range lies outside the audio",
    422: "The Idempotency-Key was used before, for another request",
    426: "Only a WebSocket can be opened here",
    429: "The queue is full, or the account's limit is reached; Retry-After says when to try again",
    500: "The generation failed, or took longer than a response may wait; the message names the task",
    501: "Not served by this version",
    503: "A part of the service is away, or no worker serves the model; Retry-After says when to try again",
}
RETRY_AFTER = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}}
IDEMPOTENCY = {
    "type": "string",
    "pattern": f"^[!-~]{{1,{KEY_CHARACTERS}}}$",
    "description": "The same key and the same request is the same task",
}


def describe(sections: Sequence[Section], is_open: Callable[[str], bool]) -> dict[str, Any]:
    """Return the whole document. `is_open`: whether an address needs no key."""
    components = make_components(sections)
    paths: dict[str, dict[str, Any]] = {}
    for section in sections:
        for operation in section.operations:
            path = PARAMETER.sub(r"{\1}", operation.path)
            paths.setdefault(path, {})[operation.method.lower()] = _operation(section, operation, components, is_open)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Ostinato", "version": VERSION, "description": "Text and melody to music."},
        "servers": [{"url": "/"}],
        "tags": [{"name": section.name, "description": section.description} for section in sections],
        "paths": paths,
        "webhooks": {section.name: _webhook(section, components) for section in sections if section.webhook},
        "components": {
            "schemas": components.schemas,
            "securitySchemes": {
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{}, {"header": []}, {"bearer": []}],
    }


def _operation(
    section: Section, operation: Operation, components: Components, is_open: Callable[[str], bool]
) -> dict[str, Any]:
    needs_key = not is_open(operation.path)
    failures = [status for status in _failures(operation, needs_key) if status not in operation.responses]
    error = {JSON: {"schema": components.reference(operation.error or section.error)}}
    headers = {"headers": dict(operation.response_headers)} if operation.response_headers else {}
    responses = {str(status): _response(each, components) | headers for status, each in operation.responses.items()}
    for status in failures:
        later = {"headers": RETRY_AFTER} if status in (429, 503) else {}
        responses[str(status)] = {"description": WORDS[status], "content": error} | later
    found: dict[str, Any] = {
        "tags": [section.name],
        "summary": operation.summary,
        "operationId": operation.id,
        "responses": responses,
    }
    if not needs_key:
        found["security"] = []
    if parameters := _parameters(operation):
        found["parameters"] = parameters
    if operation.body is not None:
        found["requestBody"] = {"required": True, "content": _contents(operation, operation.body, components)}
    return found


def _webhook(section: Section, components: Components) -> dict[str, Any]:
    """Return what is posted to a task's `webhook_url`."""
    assert section.webhook is not None
    words = (section.webhook.__doc__ or "").partition("\n")[0]
    body = {"required": True, "content": {JSON: {"schema": components.reference(section.webhook)}}}
    received = {"2XX": {"description": "It is received; after any other response it is posted again"}}
    return {
        "post": {
            "tags": [section.name],
            "summary": words,
            "operationId": "receiveWebhook",
            "requestBody": body,
            "responses": received,
        }
    }


def _failures(operation: Operation, needs_key: bool) -> list[int]:
    found = set(operation.failures)
    if operation.body is not None:
        found |= {400, 408, 413, 415}
    if operation.query or operation.submits:
        found.add(400)
    if operation.submits:
        found |= {422, 429}
    if PARAMETER.search(operation.path):
        found.add(404)
    if needs_key:
        found |= {401, 403, 429}
    if not operation.alone:
        found.add(503)
    return sorted(found)


def _response(response: Schema | Media | tuple[Schema, ...], components: Components) -> dict[str, Any]:
    schemas = schemas_of(response)
    if not isinstance(response, Media):
        words = " Or: ".join((schema.__doc__ or "").partition("\n")[0] for schema in schemas)
        return {"description": words, "content": {JSON: {"schema": components.one_of(schemas)}}}
    content = {
        media: {"schema": components.one_of(schemas) if schemas and media != HTML else _raw(media)}
        for media in response.types
    }
    return {"description": response.words} | ({"content": content} if content else {})


def _raw(media: str) -> Mapping[str, Any]:
    return {"type": "string"} if media.startswith("text/") else BINARY


def _contents(operation: Operation, body: type[BaseModel], components: Components) -> dict[str, Any]:
    example = {"example": dict(operation.example)} if operation.example else {}
    contents: dict[str, Any] = {JSON: {"schema": components.reference(body)} | example}
    if operation.files:
        contents["multipart/form-data"] = {"schema": components.form(body)}
    return contents


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    headers = dict(operation.headers) | ({KEY_HEADER: IDEMPOTENCY} if operation.submits else {})
    in_path = [_parameter(name, "path", {"type": "string"}, True) for name in PARAMETER.findall(operation.path)]
    in_query = [_parameter(name, "query", schema) for name, schema in operation.query.items()]
    return in_path + in_query + [_parameter(name, "header", schema) for name, schema in headers.items()]


def _parameter(name: str, location: str, schema: Mapping[str, Any], required: bool = False) -> dict[str, Any]:
    """Describe a parameter, whose description stands with it: pages leave out that of its schema."""
    plain = {key: value for key, value in schema.items() if key != "description"}
    words = {"description": schema["description"]} if "description" in schema else {}
    return {"name": name, "in": location, "required": required, "schema": plain} | words
