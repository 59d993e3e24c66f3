"""Read JSON from outside as one object: a request's body, or a WebSocket's message. Knows no field's meaning.

The bytes are counted as they come (api/http/json_scanner.py) and kept in a file when there are many, so that only a
text within its limits is ever built into an object, and callers that send slowly take no memory. Recordings within it
are put into a file of their own (api/http/json_audio.py).
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import IO, Any

from flask import Request, current_app
from werkzeug.exceptions import RequestEntityTooLarge

from api.http.body_limits import SINGLE, BodyLimits, too_large
from api.http.json_audio import JsonAudio, has_audio
from api.http.json_scanner import JsonScanner
from api.http.request_state import request_state
from shared.errors import FieldError, InvalidRequest

BLOCK_BYTES = 64 * 1024
MEMORY_BYTES = 256 * 1024
MB = 2**20
MOST_DIGITS = 4000  # of a whole number; Python reads no more than 4300
# only one large batch at a time is built and judged in this process: it may take seven times its bytes
_large_batches = threading.BoundedSemaphore(1)

EXAMPLE = '{"prompt": "calm piano"}'


def read_json_body(request: Request, limits: BodyLimits, example: str) -> dict[str, Any]:
    """Return the object that the body is; a recording within it, where `limits` allow any, as a DataUri.

    Raises InvalidRequest for broken JSON and for more fields or levels than `limits` has, PayloadTooLarge.
    """
    length, most_bytes = request.content_length or 0, _body_bytes(limits)
    if length > most_bytes:
        raise _body_too_large(limits)
    if limits.audio:
        request.max_content_length = most_bytes + BLOCK_BYTES  # what is over `most_bytes` is refused here
    if not 0 < length <= min(BLOCK_BYTES, _text_bytes(limits)):
        blocks = _within(most_bytes, blocks_of(request.stream), partial(_body_too_large, limits))
        return _read_blocks(blocks, limits, example)
    data = b"".join(blocks_of(request.stream))  # nearly all: no more comes than the length says
    if limits.audio and has_audio(data, limits.audio):
        return _read_blocks([data], limits, example)
    JsonScanner(limits).feed(data)
    return _object_of(data, "body", example)


def _within(most_bytes: int, blocks: Iterable[bytes], refusal: Callable[[], Exception]) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        if size > most_bytes:
            raise refusal()
        yield block


def _read_blocks(blocks: Iterable[bytes], limits: BodyLimits, example: str) -> dict[str, Any]:
    if not limits.audio:
        return _build(blocks, limits, example)
    with ExitStack() as opened:
        audio = JsonAudio(limits.audio, opened.enter_context(tempfile.SpooledTemporaryFile(MEMORY_BYTES)))
        rest = _within(_text_bytes(limits), audio.rest_of(blocks), partial(_text_too_large, limits))
        found = _build(rest, limits, example)
        if audio.decoded_bytes > (most_bytes := _most_upload_bytes()):
            remedy = "send fewer or shorter ones, or as mp3, ogg or m4a"
            raise too_large("the audio of this request", most_bytes, "MAX_BODY_MB", remedy)
        request_state().keep_open(opened.pop_all())
        return {name: audio.put_back(value) for name, value in found.items()}


def _build(blocks: Iterable[bytes], limits: BodyLimits, example: str) -> dict[str, Any]:
    """Count the text, and build it once all of it is there."""
    scanner, size = JsonScanner(limits), 0
    with tempfile.SpooledTemporaryFile(MEMORY_BYTES) as kept:
        for block in blocks:
            size += len(block)
            scanner.feed(block)
            kept.write(block)
        kept.seek(0)
        if limits.requests and size > MEMORY_BYTES:
            request_state().keep_open(_large_batches)
        return _object_of(kept.read(), "body", example)


def read_json_message(message: str, example: str) -> dict[str, Any]:
    """Return the object that a message of text is, within a single request's limits. Raises InvalidRequest."""
    data = message.encode()
    JsonScanner(SINGLE).feed(data)
    return _object_of(data, "message", example)


def json_bytes(limits: BodyLimits = SINGLE) -> int:
    """Return how many bytes a body without audio may have."""
    return limits.size * int(current_app.config["MAX_JSON_BYTES"])


def _text_bytes(limits: BodyLimits) -> int:
    """Return how many bytes a body may have beside its recordings."""
    return min(json_bytes(limits), _most_upload_bytes())


def _body_bytes(limits: BodyLimits) -> int:
    """Return how many bytes a body may have, with the recordings that it may hold in base64."""
    return _most_upload_bytes() * 4 // 3 + MB if limits.audio else json_bytes(limits)


def _most_upload_bytes() -> int:
    return int(current_app.config["MAX_CONTENT_LENGTH"])


def blocks_of(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the stream's bytes as they come. Raises RequestEntityTooLarge where it is cut at the limit of any body."""
    while block := stream.read(BLOCK_BYTES):
        yield block


def _body_too_large(limits: BodyLimits) -> Exception:
    if not limits.audio:
        return _text_too_large(limits)
    remedy = "send fewer or shorter recordings, or as mp3, ogg or m4a"
    return too_large("the JSON body", _body_bytes(limits), "4/3 of MAX_BODY_MB, and 1 MB", remedy)


def _text_too_large(limits: BodyLimits) -> Exception:
    if _most_upload_bytes() < json_bytes(limits):
        return RequestEntityTooLarge()
    if limits.requests:
        setting, remedy = f"{limits.size} times MAX_JSON_KB", "send its requests as several batches"
    else:
        setting, remedy = "MAX_JSON_KB", "send only the request's own fields, and shorter texts"
    return too_large("the JSON body", json_bytes(limits), setting, remedy)


def _object_of(data: bytes, what: str, example: str) -> dict[str, Any]:
    send = f"send one JSON object such as {example}"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        shown = repr(data[error.start : error.start + 8])
        raise _bad(what, f"is not UTF-8: {shown} at byte {error.start}; {send}, in UTF-8", shown) from error
    del data  # there may be much of it
    try:
        found = json.loads(text, parse_int=_parse_integer)
    except ValueError as error:
        raise _bad(what, f"is not valid JSON; {send}") from error
    if not isinstance(found, dict):
        kind = {list: "array", str: "string", type(None): "null", bool: "boolean"}.get(type(found), "number")
        raise _bad(what, f"is a JSON {kind}; {send}", kind)
    if "\\u" in text:
        _refuse_broken_text(found, what)
    return found


def _parse_integer(digits: str) -> int | float:
    """Parse an integer; one that is too long is as far from every field's range as infinity, which fields name."""
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


def _refuse_broken_text(found: dict[str, Any], what: str) -> None:
    """Refuse half of a character pair, which JSON may escape and no text can contain. Raises InvalidRequest."""
    text = json.dumps(found, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        broken = text[error.start].encode("unicode_escape").decode()
        raise _bad(what, f"holds {broken}, half of a character; send whole characters", broken) from error


def _bad(what: str, message: str, value: str = "") -> InvalidRequest:
    return InvalidRequest([FieldError(what, message, value, "INVALID_JSON")])
