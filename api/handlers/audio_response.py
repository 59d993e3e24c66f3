"""Serve a stored clip over HTTP (RFC 9110): by the store's own link, or else from here, all of it or a range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from flask import Response, redirect, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wrappers import Response as AnyResponse

from api.auth.rate_limits import count_served
from api.handlers.audio_urls import store_link
from api.http.query import read_word
from api.services.job_service import JobService
from shared.errors import OstinatoError
from shared.jobs.job import Result
from shared.storage import BlobReader, ByteRange

YEAR_S = 365 * 24 * 3600
WAYS = ("store", "server")
VIA: Mapping[str, Any] = {
    "type": "string",
    "enum": list(WAYS),
    "description": "store, as when left out: a redirect to the store's own link, where it has such. server: the bytes "
    "from here in any case, for web pages that the bucket's CORS does not name",
}


def asks_for_bytes() -> bool:
    """Return whether the request wants the bytes from here rather than a link to them. Raises InvalidRequest."""
    return read_word("via", WAYS) == "server"


def serve_audio(
    job_service: JobService, task_id: str, result: Result, download_name: str, *, from_here: bool
) -> AnyResponse:
    """Redirect to the store's own link where it has such, otherwise respond with the clip. Raises as `serve_blob`.

    What is sent `from_here` although there is a link counts as the link would. The store would serve whatever lies
    there: so it is asked first whether that is all of the clip.
    """
    job_service.blobs.expect_result(result)
    link = store_link(job_service, task_id, result, download_name)
    if link is None or from_here:
        return serve_blob(job_service, result, download_name, is_counted=link is not None)
    return redirect(link)


class ServedClip(Protocol):
    """Hold a clip that can be served: its bytes, what they are called, and by which digest they are known."""

    @property
    def media_type(self) -> str: ...
    @property
    def bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...

    def open(self, range: ByteRange | None = None) -> BlobReader:
        """Open a reader of all of it, or of a range. Raises NotFound when it is gone or damaged."""

    def expect(self) -> None:
        """Raises NotFound as `open`, without reading."""


def serve_blob(
    job_service: JobService, result: Result, download_name: str, *, attachment: bool = False, is_counted: bool = False
) -> Response:
    """Respond with the kept clip's bytes, wherever they are stored. Raises as `serve_clip`."""
    return serve_clip(job_service.blobs.clip(result), download_name, attachment=attachment, is_counted=is_counted)


def serve_clip(clip: ServedClip, download_name: str, *, attachment: bool = False, is_counted: bool = False) -> Response:
    """Respond with a clip's bytes: a 200, 206 or 304. `is_counted`: towards the month's bytes, before this.

    Raises NotFound when it is gone or damaged, RequestedRangeNotSatisfiable, and RateLimited when the month's bytes are
    used up.
    """
    if _is_known(clip.sha256):
        clip.expect()
        return _described(Response(status=304), clip)
    try:
        span = _span(clip)
    except RequestedRangeNotSatisfiable:
        clip.expect()  # what is gone, is so in every part
        raise
    response = Response(status=206 if span else 200, content_type=clip.media_type)
    if request.method == "HEAD":
        clip.expect()
    else:
        reader = clip.open((span[0], span[1] - 1) if span else None)
        if not is_counted:
            _count(reader)
        response.response = _chunks(reader)
        response.call_on_close(reader.close)  # also when the caller leaves before the first chunk
    first, end = span or (0, clip.bytes)
    response.headers["Content-Length"] = str(end - first)
    disposition = "attachment" if attachment else "inline"
    response.headers["Content-Disposition"] = f'{disposition}; filename="{download_name}"'
    response.headers["Accept-Ranges"] = "bytes"
    if span:
        response.headers["Content-Range"] = f"bytes {first}-{end - 1}/{clip.bytes}"
    return _described(response, clip)


def _is_known(etag: str) -> bool:
    """Return whether the caller has these bytes already: If-None-Match compares weakly (RFC 9110, 13.1.2)."""
    return request.if_none_match.contains_weak(etag)


def _described(response: Response, clip: ServedClip) -> Response:
    response.headers["Cache-Control"] = f"private, max-age={YEAR_S}, immutable"
    response.set_etag(clip.sha256)
    return response


def _span(clip: ServedClip) -> tuple[int, int] | None:
    """Return the one byte range asked for, as (first, past the last); None for all of it.

    If-Range compares strongly (RFC 9110, 13.1.5), and no clip has a date: anything but the very ETag gets all of it.
    """
    asked = request.range
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return None
    if request.headers.get("If-Range", f'"{clip.sha256}"').strip() != f'"{clip.sha256}"':
        return None
    first, end = asked.ranges[0]
    if first < 0:  # the last so many bytes; of a shorter clip all (RFC 9110, 14.1.2)
        return max(0, clip.bytes + first), clip.bytes
    if first >= clip.bytes:
        message = f"the Range {asked.to_header()[:80]} begins past the end: the audio has {clip.bytes} bytes"
        raise RequestedRangeNotSatisfiable(clip.bytes, description=message)
    return first, min(end if end is not None else clip.bytes, clip.bytes)


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
