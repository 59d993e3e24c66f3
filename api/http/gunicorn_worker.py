"""Extend gunicorn's gevent worker: refusals in JSON, and connections that end only once their response is read.

gunicorn refuses what it cannot parse before any application is asked: an address or headers over its limits, broken
HTTP. It does so in HTML; here it is JSON as everywhere else. stack/gunicorn.conf.py names this worker.
"""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.ggevent import GeventWorker

LINGER_S = 2.0
LINGER_BYTES = 32 * 2**20
READ_BYTES = 64 * 1024
SHOWN_CHARS = 200
OUR_FAULTS = ("ConfigurationProblem", "InvalidResponseHeader", "InvalidResponseHeaderName")  # of gunicorn's errors
CHUNK_FAULTS = (errors.InvalidChunkSize, errors.ChunkMissingTerminator, errors.InvalidChunkExtension)

Refusal = tuple[int, str, str, str]  # status, its phrase, the error's code, its message


class JsonWorker(GeventWorker):
    """Take over where gunicorn would write HTML, and where it would cut off a client that still sends."""

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Respond to what gunicorn could not parse, or could not serve."""
        if isinstance(exc, CHUNK_FAULTS):  # of a body that nobody read: its response was sent before
            self.log.debug("Closing connection. %s", exc)
            return
        status, phrase, code, message = refusal_of(exc, self.cfg)
        if status == 500:
            self.log.error("Error handling request %r", getattr(req, "uri", "?"), exc_info=exc)
        else:
            self.log.warning("Invalid request from ip=%s: %s", (addr or ("?",))[0], message)
        try:
            util.write_nonblock(client, response_bytes(status, phrase, code, message))
        except OSError:
            self.log.debug("Failed to send error message.")
            return
        linger(client)

    def handle_request(self, listener_name: Any, req: Any, sock: socket.socket, addr: Any) -> bool:
        try:
            return super().handle_request(listener_name, req, sock, addr)
        except StopIteration:  # gunicorn's sign that it will close the connection
            linger(sock)
            raise


def refusal_of(exc: BaseException, cfg: Any) -> Refusal:
    """Return what is wrong with the request, and the remedy: a 500 for what is not the request's fault."""
    if isinstance(exc, errors.LimitRequestLine):
        message = f"the address is over {cfg.limit_request_line} bytes; send what is long in the body"
        return 414, "URI Too Long", "ADDRESS_TOO_LONG", message
    if isinstance(exc, errors.LimitRequestHeaders):
        sizes = f"{cfg.limit_request_fields} headers, or one over {cfg.limit_request_field_size} bytes"
        message = f"the request has more than {sizes}; send fewer and shorter ones"
        return 431, "Request Header Fields Too Large", "HEADERS_TOO_LARGE", message
    if isinstance(exc, errors.UnsupportedTransferCoding):
        return 501, "Not Implemented", "NOT_IMPLEMENTED", f"{_shown(exc)}; send the body plain or chunked"
    if isinstance(exc, errors.ExpectationFailed):
        return 417, "Expectation Failed", "BAD_REQUEST", f"{_shown(exc)}; leave the Expect header out"
    if isinstance(exc, errors.ForbiddenProxyRequest):
        return 403, "Forbidden", "BAD_REQUEST", _shown(exc)
    if isinstance(exc, errors.ParseException) and type(exc).__name__ not in OUR_FAULTS:
        return 400, "Bad Request", "BAD_REQUEST", f"this is no HTTP that is understood here: {_shown(exc)}"
    message = "something went wrong here; it is in the server's log"
    return 500, "Internal Server Error", "INTERNAL_ERROR", message


def _shown(exc: BaseException) -> str:
    text = "".join(c if c.isprintable() else "?" for c in str(exc))
    return text[:SHOWN_CHARS]


def response_bytes(status: int, phrase: str, code: str, message: str) -> bytes:
    """Return an HTTP response in the native API's shape: which dialect was meant is not known yet."""
    body = json.dumps({"error": {"code": code, "message": message, "details": {}}}).encode()
    lines = (
        f"HTTP/1.1 {status} {phrase}",
        "Connection: close",
        "Content-Type: application/json",
        "X-Content-Type-Options: nosniff",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*lines, "", "")).encode() + body


def linger(client: socket.socket) -> None:
    """Take what the client still sends, for a while, so that closing does not reset what it has yet to read.

    A connection closed over unread bytes is reset, and the response lost with it (RFC 9112, section 9.6).
    """
    give_up_at, left = time.monotonic() + LINGER_S, LINGER_BYTES
    with suppress(OSError):
        client.shutdown(socket.SHUT_WR)
        while left > 0 and (left_s := give_up_at - time.monotonic()) > 0:
            client.settimeout(left_s)
            taken = len(client.recv(READ_BYTES))
            if not taken:
                break
            left -= taken
