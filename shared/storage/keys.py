"""Judge which names a blob may have, and tell the media type by the name. Knows no backend."""

from __future__ import annotations

import mimetypes
from functools import lru_cache
from pathlib import PurePosixPath

from shared.errors import FieldError, InvalidRequest

MAX_KEY_BYTES = 900  # S3 takes 1024
MAX_PART_BYTES = 200  # file systems take 255

# Python's own table differs from machine to machine for these.
MEDIA_TYPES = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".json": "application/json",
}


def check_key(key: str) -> str:
    """Raises InvalidRequest unless the key is safe as a path and as an S3 name alike."""
    if problem := _problem(key):
        raise bad_key(key, problem)
    return key


def is_key(key: str) -> bool:
    return _problem(key) is None


def bad_key(key: str, problem: str) -> InvalidRequest:
    shown = key[:80].encode("ascii", "backslashreplace").decode()
    return InvalidRequest([FieldError("key", f"the name {shown!r} {problem}", shown, "INVALID_KEY")])


def media_type_of(key: str) -> str:
    """Return the media type by the name's extension, the same on every machine for audio."""
    known = MEDIA_TYPES.get(PurePosixPath(key).suffix.lower())
    return known or mimetypes.guess_type(key)[0] or "application/octet-stream"


@lru_cache(maxsize=4096)
def _problem(key: str) -> str | None:
    """Say what is wrong with a key. Cached: a finished task is polled again and again, and each poll has its link."""
    parts = key.split("/")
    if not all(parts):
        return "is empty, absolute, or has an empty part; write names separated by single slashes"
    if any(part.startswith(".") for part in parts):
        return "has a part that starts with a dot"
    if any(not char.isprintable() or char == "\\" for char in key):  # surrogates are not printable either
        return "has a control character, a backslash or a character that cannot be printed"
    if len(key.encode()) > MAX_KEY_BYTES or any(len(part.encode()) > MAX_PART_BYTES for part in parts):
        return f"is too long; {MAX_KEY_BYTES} bytes in all and {MAX_PART_BYTES} between slashes are the most"
    return None
