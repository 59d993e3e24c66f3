"""Read a form's fields as text, and its files, part by part and counted as it comes.

A form that cannot be read is refused, with what is wrong about it: it never counts as an empty one. A file's own name
is used by nobody and may have any bytes.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import parse_qsl

from flask import Request

from api.http.body_limits import MOST_FIELDS, too_large, too_many_fields
from api.http.json_body import blocks_of, json_bytes
from api.http.multipart import Part, bad_form, read_parts
from api.http.request_state import request_state
from shared.errors import FieldError, InvalidRequest

URLENCODED = "application/x-www-form-urlencoded"
SHORTER = "send less text; a recording is sent as a file, such as -F melody=@hum.wav with curl"


@dataclass
class Form:
    """Collect what was sent, in order: texts, and files by field. `files` are open until the response is made."""

    texts: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, IO[bytes]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)


def read_form(request: Request, file_fields: tuple[str, ...]) -> Form:
    """Read a request's form. Raises InvalidRequest where it is unreadable or has too many fields, PayloadTooLarge."""
    form = _read_urlencoded(request) if request.mimetype == URLENCODED else _read_multipart(request, file_fields)
    only = f"only {', '.join(file_fields)} may be one" if file_fields else "files are not taken here; leave it out"
    errors = [
        FieldError(name, f"was sent {count} times; send it once", "")
        for name, count in Counter(form.names).items()
        if count > 1
    ]
    errors += [
        FieldError(name, f"is a file; {only}", "", "UNKNOWN_FIELD") for name in form.files if name not in file_fields
    ]
    if errors:
        raise InvalidRequest(errors)
    return form


def _read_urlencoded(request: Request) -> Form:
    data = b""
    for block in blocks_of(request.stream):
        data += block
        if len(data) > json_bytes():
            raise too_large("the form", json_bytes(), "MAX_JSON_KB", SHORTER)
        if data.count(b"&") >= MOST_FIELDS:
            raise too_many_fields("body", MOST_FIELDS)
    if data and (data.lstrip().startswith((b"{", b"[")) or b"=" not in data):
        raise _unreadable_urlencoded(data)
    try:
        texts = parse_qsl(data.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise bad_form("body", "is a form whose text is not UTF-8; send it in UTF-8, percent-encoded") from error
    return Form(texts, {}, [name for name, _ in texts])


def _unreadable_urlencoded(data: bytes) -> InvalidRequest:
    shown = repr(data[:40].decode("utf-8", "replace"))
    if data.lstrip().startswith((b"{", b"[")):
        message = f"is {URLENCODED}, and the body looks like JSON; send -H 'Content-Type: application/json' with it"
    else:
        message = f"is {URLENCODED}, and the body has no name=value in it; send fields such as prompt=calm+piano"
    return bad_form("Content-Type", f"{message} (got {shown})", shown)


def _read_multipart(request: Request, file_fields: tuple[str, ...]) -> Form:
    form, text_bytes = Form(), 0
    with ExitStack() as opened:
        boundary = request.mimetype_params.get("boundary", "")
        for part in read_parts(blocks_of(request.stream), boundary, file_fields, opened):
            form.names.append(part.name)
            if part.file is None:
                text_bytes += part.size
                if text_bytes > json_bytes():
                    raise too_large("the form's text", json_bytes(), "MAX_JSON_KB", SHORTER)
                form.texts.append((part.name, _text_of(part)))
            elif not part.left_blank:
                form.files.setdefault(part.name, part.file)
        request_state().keep_open(opened.pop_all())
    return form


def _text_of(part: Part) -> str:
    try:
        return part.text.decode(part.charset)
    except UnicodeDecodeError as error:
        raise bad_form(part.name, f"is text that is not {part.charset}; send it in UTF-8") from error
