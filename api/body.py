"""The body of a request -> plain fields and files, and its Idempotency-Key. Knows no field's meaning."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import IO, Any

from flask import Request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from shared.errors import FieldError, InvalidRequest, UnsupportedBody

KEY_HEADER = "Idempotency-Key"
KEY_CHARACTERS = 255
OBJECT = 'send one JSON object such as {"prompt": "calm piano"}'
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


@dataclass(frozen=True)
class Body:
    """What was sent: fields as they came (strings, from a form), and files by field name."""

    fields: dict[str, Any]
    files: dict[str, IO[bytes]]


def read_body(request: Request, file_fields: tuple[str, ...] = ()) -> Body:
    """Raises InvalidRequest for broken JSON or repeated form fields, UnsupportedBody for any other kind of body."""
    if request.mimetype in FORMS:
        return _read_form(request, file_fields)
    if request.mimetype == "application/json" or request.mimetype.endswith("+json"):
        return Body(_read_json(request), {})
    raise UnsupportedBody(
        f"Content-Type is {request.mimetype or 'missing'!r}; send application/json, or multipart/form-data with a file"
    )


def _read_json(request: Request) -> dict[str, Any]:
    if request.content_length is None and len(request.get_data()) >= (request.max_content_length or float("inf")):
        raise RequestEntityTooLarge  # a body of unannounced length is cut at the limit, without a word
    try:
        data = request.get_json()
    except (BadRequest, RecursionError) as error:
        raise _bad_json(f"is not valid JSON; {OBJECT}") from error
    if not isinstance(data, dict):
        kind = {list: "array", str: "string", type(None): "null", bool: "boolean"}.get(type(data), "number")
        raise _bad_json(f"is a JSON {kind}; {OBJECT}", kind)
    refuse_broken_text(json.dumps(data, ensure_ascii=False))
    return data


def refuse_broken_text(text: str) -> None:
    """JSON may escape half of a character pair, which no text can hold. Raises InvalidRequest."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        broken = text[error.start].encode("unicode_escape").decode()
        raise _bad_json(f"holds {broken}, half of a character; send whole characters", broken) from error


def _bad_json(message: str, value: str = "") -> InvalidRequest:
    return InvalidRequest([FieldError("body", message, value, "INVALID_JSON")])


def _read_form(request: Request, file_fields: tuple[str, ...]) -> Body:
    sent = [name for form in (request.form, request.files) for name, _ in form.items(multi=True)]
    errors = [
        FieldError(name, f"was sent {count} times; send it once", "")
        for name, count in Counter(sent).items()
        if count > 1
    ]
    errors += [
        FieldError(name, f"is a file; only {', '.join(file_fields) or 'no field'} may be one", "", "UNKNOWN_FIELD")
        for name in request.files
        if name not in file_fields
    ]
    if errors:
        raise InvalidRequest(errors)
    # a browser's form sends what was left blank as "": that is 'not given', but for the prompt it says something
    fields = {name: value for name, value in request.form.items() if value != "" or name == "prompt"}
    # a file field left blank comes as a part without a name and without content
    files = {name: part.stream for name, part in request.files.items() if part.filename or part.stream.read(1)}
    for stream in files.values():
        stream.seek(0)
    return Body(fields, files)


def read_idempotency_key(request: Request) -> str | None:
    """None when none was sent. Raises InvalidRequest for one that is empty, too long or not plain ASCII."""
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not 1 <= len(key) <= KEY_CHARACTERS or not all("!" <= character <= "~" for character in key):
        remedy = f"send 1 to {KEY_CHARACTERS} printable ASCII characters without spaces, such as a UUID"
        raise InvalidRequest([FieldError(KEY_HEADER, remedy, f"{key[:40]!r} ({len(key)} characters)")])
    return key


def replay_header(replayed: bool) -> dict[str, str]:
    """Says that the answer is an earlier submission's."""
    return {"Idempotency-Replayed": "true"} if replayed else {}
