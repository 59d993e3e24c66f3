"""Close the connection after certain responses: event streams, which may be open for hours.

Without `Connection: close` the client may send its next request on the same connection, and a server that is to stop
would wait for one. Knows gunicorn, which alone decides what that header says; under another server nothing is closed.
"""

from __future__ import annotations

from typing import Any

RESPONSE = "ostinato.response"


class Closable:
    """Wrap a WSGI application, as the outermost one: it finds gunicorn's own response, which can end a connection."""

    def __init__(self, application: Any) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        environ[RESPONSE] = getattr(start_response, "__self__", None)
        return self._application(environ, start_response)


def close_after(environ: dict[str, Any]) -> None:
    """Close the connection after this response, and say so in its head, which must not have been sent."""
    if (response := environ.get(RESPONSE)) is not None:
        response.force_close()
