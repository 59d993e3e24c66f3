"""Serving a stored clip over HTTP, whole or by range, where the store has no links of its own."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from api.limits import count_served
from shared.errors import BlobMissing, NotFound, OstinatoError
from shared.job import Result
from shared.storage import BlobReader, Storage

YEAR_S = 365 * 24 * 3600


def serve_blob(storage: Storage, result: Result, download_name: str) -> Response:
    """A 200, 206 or 304 answer. Raises NotFound when the blob is gone, RateLimited when the month is used up."""
    if result.sha256 in request.if_none_match:
        return Response(status=304)
    span = _span(result.bytes)
    try:
        reader = storage.open(result.key, (span[0], span[1] - 1) if span else None)
    except BlobMissing as error:
        raise NotFound("the audio of this task is no longer stored; submit it again with the same seed") from error
    if request.method == "GET":
        try:
            count_served(reader.length)
        except OstinatoError:
            with reader:
                raise
    response = Response(_chunks(reader), 206 if span else 200, content_type=result.media_type)
    response.headers["Content-Length"] = str(reader.length)
    response.headers["Content-Disposition"] = f'inline; filename="{download_name}"'
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = f"private, max-age={YEAR_S}, immutable"
    response.set_etag(result.sha256)
    if span:
        response.headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{result.bytes}"
    return response


def _span(size: int) -> tuple[int, int] | None:
    """The one byte range asked for, as (first, past the last); None for the whole."""
    asked = request.range
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return None
    span = asked.range_for_length(size)
    if span is None:
        raise RequestedRangeNotSatisfiable(size)
    return span[0], span[1]


def _chunks(reader: BlobReader) -> Iterator[bytes]:
    with reader:
        yield from reader
