"""Keep what is noted of one request until its response, a RequestState, in one typed attribute of `flask.g`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from flask import g


@dataclass(slots=True)
class RequestState:
    """Note what happened to one request. Times are seconds; `arrived_at` is of the monotonic clock."""

    arrived_at: float = field(default_factory=time.monotonic)
    granted_wait_s: int = 0  # for how long at most a long poll was let wait
    waited_s: float = 0.0  # as the caller had asked: no sign of slowness
    rate_limit_headers: Mapping[str, str] | None = None
    client_id: str | None = None  # what the caller calls the request, for refusals that repeat it
    _open: ExitStack | None = None  # most requests have nothing to close

    def keep_open(self, resource: AbstractContextManager[object]) -> None:
        """Enter what the request's body needs, such as a file, and leave it after the response."""
        self._open = self._open or ExitStack()
        self._open.enter_context(resource)

    def close(self) -> None:
        if self._open is not None:
            self._open.close()


def request_state() -> RequestState:
    """Return the state of the current request, made when it is first asked for."""
    state: RequestState | None = g.get("request_state")
    if state is None:
        state = g.request_state = RequestState()
    return state
