"""Answers after which their connection is closed: event streams, which may be open for hours.

Without `Connection: close` the client may send its next request on the same connection, and a server that is to stop
would wait for one. Knows gunicorn, which alone decides what that header says; under another server nothing is closed.
"""

from __future__ import annotations

from typing import Any

ANSWER = "ostinato.answer"


class Closable:
    """A WSGI application whose answers can be an end: the outermost one, since it looks at gunicorn's own answer."""

    def __init__(self, application: Any) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        environ[ANSWER] = getattr(start_response, "__self__", None)
        return self._application(environ, start_response)


def close_after(environ: dict[str, Any]) -> None:
    """Before the answer's head is sent: say that the connection ends with it, and end it."""
    if (answer := environ.get(ANSWER)) is not None:
        answer.force_close()
