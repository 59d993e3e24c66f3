"""Serving a stored clip over HTTP: by the store's own link, or else from here, whole or by range."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, redirect, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wrappers import Response as AnyResponse

from api.core import Core
from api.limits import count_served
from api.links import store_link
from shared.errors import BlobMissing, NotFound, OstinatoError
from shared.job import Result
from shared.storage import BlobReader, Storage

YEAR_S = 365 * 24 * 3600


def serve_audio(core: Core, task_id: str, result: Result, download_name: str) -> AnyResponse:
    """The store's own link where it has such, otherwise the clip itself. Raises as `serve_blob`."""
    link = store_link(core, task_id, result, download_name)
    return redirect(link) if link else serve_blob(core.storage, result, download_name)


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
