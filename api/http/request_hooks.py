"""Run what is done around every request, each with the request itself, its state and its response.

Flask's own hooks would each look these up behind proxies, which costs more than most of what they do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from flask import Flask, Request, Response, request
from werkzeug.local import LocalProxy

from api.http.request_state import RequestState, request_state

Before = Callable[[Request, RequestState], None]
After = Callable[[Request, RequestState, Response], None]


class RequestHooks:
    """Hold what is run around each request of an app. What was added first is outermost: first before, last after.

    The clock of a request starts before all of them, so that refusals are timed too; they may raise any error.
    """

    def __init__(self, app: Flask) -> None:
        self._before: list[Before] = []
        self._after: list[After] = []
        app.before_request(self._run_before)
        app.after_request(self._run_after)
        app.teardown_request(_close)

    def before(self, do: Before) -> Before:
        self._before.append(do)
        return do

    def after(self, do: After) -> After:
        self._after.insert(0, do)
        return do

    def _run_before(self) -> None:
        state, current = request_state(), _current_request()
        for do in self._before:
            do(current, state)

    def _run_after(self, response: Response) -> Response:
        state, current = request_state(), _current_request()
        for do in self._after:
            do(current, state, response)
        return response


def _current_request() -> Request:
    return cast("LocalProxy[Request]", request)._get_current_object()


def _close(error: BaseException | None) -> None:
    """Close the files of the request's body."""
    request_state().close()
