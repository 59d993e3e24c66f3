"""Limit how long a request's body may take to arrive: one that drips would keep its greenlet and memory for ever.

gunicorn bounds the headers (its keepalive) but, under gevent, no body. It finds out that a body is broken only while
the application reads it: that is the client's mistake then, not the application's. Knows no route.
"""

from __future__ import annotations

import time
from typing import Any

import gevent
from gunicorn.http.errors import NoMoreData, ParseException
from werkzeug.exceptions import BadRequest, RequestTimeout

from api.http.connection_close import close_after

CHUNKS = "send each as its size in hexadecimal and its bytes, the last one empty, or send a Content-Length"


class TimedBody:
    """Wrap a WSGI application: its requests' bodies have `within_s` seconds to arrive, all reads together."""

    def __init__(self, application: Any, within_s: float) -> None:
        self._application = application
        self._within_s = within_s

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.input"] = _Body(environ, time.monotonic() + self._within_s)
        return self._application(environ, start_response)


class _Body:
    """Read a body within its time, as the part of a file that werkzeug needs.

    A read beyond the time raises RequestTimeout, which becomes a 408, and one of broken chunks BadRequest, a 400.
    """

    def __init__(self, environ: dict[str, Any], give_up_at: float) -> None:
        self._environ = environ
        self._stream = environ["wsgi.input"]
        self._give_up_at = give_up_at

    def read(self, size: int = -1) -> bytes:
        late = RequestTimeout("the body took too long to arrive; send a smaller one, or on a faster line")
        with gevent.Timeout(max(0.001, self._give_up_at - time.monotonic()), late):
            try:
                content: bytes = self._stream.read(size)
            except (NoMoreData, ParseException) as error:
                close_after(self._environ)  # where the next request begins is unknown
                raise BadRequest(f"the body's chunks are broken ({_shown(error)}); {CHUNKS}") from error
        return content


def _shown(error: Exception) -> str:
    if isinstance(error, NoMoreData):
        return "it ends within one"
    return "".join(character if character.isprintable() else "?" for character in str(error))[:100]
