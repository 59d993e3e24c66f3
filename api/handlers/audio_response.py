"""Serve a stored clip over HTTP (RFC 9110): by the store's own link, or else from here, all of it or a range."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, redirect, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wrappers import Response as AnyResponse

from api.auth.rate_limits import count_served
from api.handlers.audio_urls import store_link
from api.services.job_service import JobService
from shared.errors import OstinatoError
from shared.jobs.job import Result
from shared.storage import BlobReader

YEAR_S = 365 * 24 * 3600


def serve_audio(job_service: JobService, task_id: str, result: Result, download_name: str) -> AnyResponse:
    """Redirect to the store's own link where it has such, otherwise respond with the clip. Raises as `serve_blob`.

    The store would serve whatever lies there: so it is asked first whether that is all of the clip.
    """
    job_service.blobs.expect_result(result)
    link = store_link(job_service, task_id, result, download_name)
    return redirect(link) if link else serve_blob(job_service, result, download_name)


def serve_blob(job_service: JobService, result: Result, download_name: str, *, attachment: bool = False) -> Response:
    """Respond with the clip's bytes, wherever they are stored: a 200, 206 or 304.

    Raises NotFound when the blob is gone or damaged, RequestedRangeNotSatisfiable, and RateLimited when the month's
    bytes are used up.
    """
    if _is_known(result.sha256):
        job_service.blobs.expect_result(result)
        return _described(Response(status=304), result)
    try:
        span = _span(result)
    except RequestedRangeNotSatisfiable:
        job_service.blobs.expect_result(result)  # what is gone, is so in every part
        raise
    response = Response(status=206 if span else 200, content_type=result.media_type)
    if request.method == "HEAD":
        job_service.blobs.expect_result(result)
    else:
        reader = job_service.blobs.open_result(result, (span[0], span[1] - 1) if span else None)
        _count(reader)
        response.response = _chunks(reader)
        response.call_on_close(reader.close)  # also when the caller leaves before the first chunk
    first, end = span or (0, result.bytes)
    response.headers["Content-Length"] = str(end - first)
    disposition = "attachment" if attachment else "inline"
    response.headers["Content-Disposition"] = f'{disposition}; filename="{download_name}"'
    response.headers["Accept-Ranges"] = "bytes"
    if span:
        response.headers["Content-Range"] = f"bytes {first}-{end - 1}/{result.bytes}"
    return _described(response, result)


def _is_known(etag: str) -> bool:
    """Return whether the caller has these bytes already: If-None-Match compares weakly (RFC 9110, 13.1.2)."""
    return request.if_none_match.contains_weak(etag)


def _described(response: Response, result: Result) -> Response:
    response.headers["Cache-Control"] = f"private, max-age={YEAR_S}, immutable"
    response.set_etag(result.sha256)
    return response


def _span(result: Result) -> tuple[int, int] | None:
    """Return the one byte range asked for, as (first, past the last); None for all of it.

    If-Range compares strongly (RFC 9110, 13.1.5), and no clip has a date: anything but the very ETag gets all of it.
    """
    asked = request.range
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return None
    if request.headers.get("If-Range", f'"{result.sha256}"').strip() != f'"{result.sha256}"':
        return None
    first, end = asked.ranges[0]
    if first < 0:  # the last so many bytes; of a shorter clip all (RFC 9110, 14.1.2)
        return max(0, result.bytes + first), result.bytes
    if first >= result.bytes:
        message = f"the Range {asked.to_header()[:80]} begins past the end: the audio has {result.bytes} bytes"
        raise RequestedRangeNotSatisfiable(result.bytes, description=message)
    return first, min(end if end is not None else result.bytes, result.bytes)


def _count(reader: BlobReader) -> None:
    """Count the bytes towards the month's. Raises RateLimited."""
    try:
        count_served(reader.length)
    except OstinatoError:
        reader.close()
        raise


def _chunks(reader: BlobReader) -> Iterator[bytes]:
    with reader:
        yield from reader
