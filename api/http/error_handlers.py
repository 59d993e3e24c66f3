"""Turn errors into HTTP responses: one status per kind of error, and a body in the words of whoever owns the path.

Everything ends here: our own errors, werkzeug's (404, 405, 413, ...), and whatever nobody foresaw.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestedRangeNotSatisfiable

from shared import errors
from shared.errors.field_errors import shortened

log = logging.getLogger(__name__)

STATUS: tuple[tuple[type[errors.OstinatoError], int], ...] = (
    (errors.PayloadTooLarge, 413),
    (errors.UnsupportedBody, 415),
    (errors.UpgradeRequired, 426),
    (errors.RequestError, 400),
    (errors.LinkGone, 410),
    (errors.NotFound, 404),
    (errors.IdempotencyConflict, 422),
    (errors.Conflict, 409),
    (errors.Unauthorized, 401),
    (errors.Forbidden, 403),
    (errors.RateLimited, 429),
    (errors.NotServed, 501),
    (errors.QueueFull, 429),
    (errors.Unavailable, 503),
)
RETRY_AFTER_S = 5
PATH_CHARS = 200  # of an address in a refusal
CODES = {
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_BODY",
    416: "RANGE_NOT_SATISFIABLE",
}


RenderError = Callable[[errors.OstinatoError, int], Mapping[str, Any]]  # (error, status) -> the body


@dataclass(frozen=True)
class ErrorRenderer:
    """Render errors by path: the longest of all renderers' `paths` that the address begins with decides whose words.

    `endpoints` are single routes, by Flask's names, whose errors have this shape wherever they are.
    """

    render: RenderError
    paths: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()


def status_of(error: errors.OstinatoError) -> int:
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def install(app: Flask, renderers: Sequence[ErrorRenderer]) -> None:
    """Answer every error in the words of its renderer. One of them must have the path `/`."""
    by_endpoint = {endpoint: each.render for each in renderers for endpoint in each.endpoints}
    by_path = sorted(((path, each.render) for each in renderers for path in each.paths), key=_longest_first)

    def render(error: errors.OstinatoError, status: int) -> Response:
        owner = next(render_body for path, render_body in by_path if request.path.startswith(path))
        response = jsonify(by_endpoint.get(request.endpoint or "", owner)(error, status))
        response.status_code = status
        if isinstance(error, errors.UpgradeRequired):
            response.headers["Upgrade"] = "websocket"
        if error.retryable and status in (429, 503):
            response.headers["Retry-After"] = str(error.details.get("retry_after_s", RETRY_AFTER_S))
        return response

    @app.errorhandler(errors.OstinatoError)
    def _ours(error: errors.OstinatoError) -> Response:
        status = status_of(error)
        if status == 500:
            log.error("%s %r: %r", request.method, request.path, error)
        elif str(error) != error.message:  # it has a cause that only the operator may know
            log.warning("%s %r: %s", request.method, request.path, error)
        return render(error, status)

    @app.errorhandler(HTTPException)
    def _werkzeugs(error: HTTPException) -> Response:
        response = render(_translate(error), error.code or 500)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        if isinstance(error, RequestedRangeNotSatisfiable):
            response.headers["Content-Range"] = f"bytes */{error.length}"
        return response

    @app.errorhandler(Exception)
    def _unforeseen(error: Exception) -> Response:
        log.error("%s %r", request.method, request.path, exc_info=error)
        return render(errors.OstinatoError("something went wrong here; it is in the server's log"), 500)


def _longest_first(owned: tuple[str, RenderError]) -> int:
    return -len(owned[0])


def _translate(error: HTTPException) -> errors.OstinatoError:
    status = error.code or 500
    path = shortened(request.path, PATH_CHARS)
    largest_mb = (current_app.config["MAX_CONTENT_LENGTH"] or 0) / 2**20
    messages = {
        404: f"nothing is at {path}; see GET / for the addresses",
        405: f"{request.method[:20]} is not possible at {path}",
        413: f"the body is over {largest_mb:g} MB, the limit (MAX_BODY_MB); send less, or compress the recording",
    }
    kind = errors.PayloadTooLarge if status == 413 else errors.OstinatoError
    ours = kind(messages.get(status, error.description or error.name))
    ours.code = CODES.get(status, "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR")
    return ours
