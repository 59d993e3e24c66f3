"""How long a request's body may take to arrive: one that drips would hold its greenlet, and its memory, for ever.

gunicorn bounds the headers (its keepalive) but, under gevent, no body. Knows no route.
"""

from __future__ import annotations

import time
from typing import Any

import gevent
from werkzeug.exceptions import RequestTimeout


class Patient:
    """A WSGI application whose requests' bodies have `within_s` seconds to arrive, all reads together."""

    def __init__(self, application: Any, within_s: float) -> None:
        self._application = application
        self._within_s = within_s

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.input"] = _Body(environ["wsgi.input"], time.monotonic() + self._within_s)
        return self._application(environ, start_response)


class _Body:
    """The part of a file that werkzeug reads. A read beyond the time raises RequestTimeout, which becomes a 408."""

    def __init__(self, stream: Any, give_up_at: float) -> None:
        self._stream = stream
        self._give_up_at = give_up_at

    def read(self, size: int = -1) -> bytes:
        late = RequestTimeout("the body took too long to arrive; send a smaller one, or on a faster line")
        with gevent.Timeout(max(0.001, self._give_up_at - time.monotonic()), late):
            content: bytes = self._stream.read(size)
        return content
