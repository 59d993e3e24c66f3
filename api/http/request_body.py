"""Read the body of a request as plain fields and files, and its Idempotency-Key. Knows no field's meaning.

Every route that takes a body reads it here, within limits (api/http/body_limits.py); so is a query, before any route.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any

from flask import Flask, Request

from api.http.body_limits import MOST_FIELDS, SINGLE, BodyLimits, too_many_fields
from api.http.form_body import URLENCODED, read_form
from api.http.json_body import EXAMPLE, read_json_body
from api.http.request_hooks import RequestHooks
from api.http.request_state import RequestState
from shared.errors import FieldError, InvalidRequest, UnsupportedBody

KEY_HEADER = "Idempotency-Key"
KEY_CHARACTERS = 255
FORMS = ("multipart/form-data", URLENCODED)


@dataclass(frozen=True)
class Body:
    """Collect what was sent: fields as they came (strings, from a form), and files by field name."""

    fields: dict[str, Any]
    files: dict[str, IO[bytes]]


def install(app: Flask, hooks: RequestHooks, max_json_kb: int) -> None:
    """Set how much JSON a request may have, and refuse a query of too many fields."""
    app.config["MAX_JSON_BYTES"] = max_json_kb * 1024
    hooks.before(_bound_query)


def _bound_query(request: Request, state: RequestState) -> None:
    """Raises InvalidRequest."""
    if request.query_string.count(b"&") >= MOST_FIELDS:
        raise too_many_fields("query", MOST_FIELDS)


def read_body(
    request: Request, file_fields: tuple[str, ...] = (), *, limits: BodyLimits = SINGLE, example: str = EXAMPLE
) -> Body:
    """Return what was sent, counted against `limits` while it is read. `example`: the route's least JSON, for hints.

    Raises InvalidRequest for what cannot be read or has too many fields, PayloadTooLarge, and UnsupportedBody for any
    other kind of body.
    """
    if (coding := request.headers.get("Content-Encoding", "identity").strip().lower()) not in ("", "identity"):
        raise UnsupportedBody(f"Content-Encoding is {coding[:40]!r}; send the body as it is, without compression")
    if request.mimetype in FORMS:
        return _read_form(request, file_fields)
    if request.mimetype == "application/json" or request.mimetype.endswith("+json"):
        return Body(read_json_body(request, limits, example), {})
    forms = ", or multipart/form-data with a file" if file_fields else ""
    raise UnsupportedBody(f"Content-Type is {request.mimetype[:60] or 'missing'!r}; send application/json{forms}")


def _read_form(request: Request, file_fields: tuple[str, ...]) -> Body:
    form = read_form(request, file_fields)
    # a browser's form sends what was left blank as "": that is 'not given', but for the prompt it says something
    return Body({name: text for name, text in form.texts if text != "" or name == "prompt"}, form.files)


def read_idempotency_key(request: Request) -> str | None:
    """Return the key that was sent, if any. Raises InvalidRequest for one that is empty, too long or not ASCII."""
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not 1 <= len(key) <= KEY_CHARACTERS or not all("!" <= character <= "~" for character in key):
        remedy = f"send 1 to {KEY_CHARACTERS} printable ASCII characters without spaces, such as a UUID"
        raise InvalidRequest([FieldError(KEY_HEADER, remedy, f"{key[:40]!r} ({len(key)} characters)")])
    return key


def replay_header(replayed: bool) -> dict[str, str]:
    """Return the header that says that the response is an earlier submission's."""
    return {"Idempotency-Replayed": "true"} if replayed else {}
