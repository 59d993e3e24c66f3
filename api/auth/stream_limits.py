"""Count the streams that are open (events, sound, WebSockets), and end them and what waits when their key is disabled.

How many an account has open at once is bounded in each API process, since that is what has only so many connections
(stack/gunicorn.conf.py); without keys nothing is limited, as with all limits. Whatever stays open goes through
`open_stream`, so no kind of stream can forget either; what waits for its response, through `open_wait`.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from flask import Response, current_app, request

from api.auth.authenticate import current_auth
from api.auth.keys import Keys
from shared.accounts.key_states import Grant
from shared.background_thread import BackgroundThread
from shared.errors import BrokerUnavailable, RateLimited, Unauthorized

RETRY_AFTER_S = 5  # a stream ends with its task: nobody knows when
END_S = 2.0  # within which a stream that is asked to end does so, unless its writer waits for a slow reader


class OpenRequest:
    """Watch a stream's key, or a waiting request's: once it is no longer good this is `revoked`, and ends."""

    def __init__(self, grant: Grant | None, connection: socket.socket | None, *, is_stream: bool = True) -> None:
        self.grant = grant
        self.is_stream = is_stream
        self._connection = connection
        self._revoked_at: float | None = None

    @property
    def revoked(self) -> bool:
        return self._revoked_at is not None

    def expect_good_key(self) -> None:
        """Refuse to go on once the key is no longer good. Raises Unauthorized."""
        if self.revoked:
            raise Unauthorized("the API key that opened this connection is no longer good")

    def revoke(self) -> None:
        """Ask the stream to end; break the connection of one that was asked before and has not ended."""
        if self._revoked_at is None:
            self._revoked_at = time.monotonic()
        elif time.monotonic() - self._revoked_at > END_S and self._connection is not None:
            _break_off(self._connection)


class StreamLimits:
    """Count and watch all open requests of one process: one thread asks every `check_s` seconds for their keys."""

    def __init__(self, keys: Keys, *, most: int, check_s: float) -> None:
        self._keys = keys
        self._most = most
        self._check_s = check_s
        self._open: set[OpenRequest] = set()
        self._lock = threading.Lock()
        self._watcher = BackgroundThread("stream-limits", self._watch, lambda: bool(self._open))

    def open_stream(self, grant: Grant | None, connection: socket.socket | None = None) -> OpenRequest:
        """Count one more stream, until it is closed. Raises RateLimited."""
        with self._lock:
            if grant is not None and self._streams()[grant.account] >= self._most:
                raise RateLimited(f"{self._most} open streams", RETRY_AFTER_S)
            return self._add(OpenRequest(grant, connection))

    def open_wait(self, grant: Grant | None) -> OpenRequest:
        """Watch the key of a request that waits, until it is closed: it counts as no stream."""
        with self._lock:
            return self._add(OpenRequest(grant, None, is_stream=False))

    def close(self, opened: OpenRequest) -> None:
        """Count and watch that request no longer."""
        with self._lock:
            self._open.discard(opened)

    def revoke_dead(self) -> None:
        """Revoke requests whose key is disabled, and those without one once keys exist. Raises BrokerUnavailable."""
        with self._lock:
            all_open = list(self._open)
        grants = {each.grant for each in all_open if each.grant is not None}
        living = self._keys.states.living(grants) if grants else set()
        open_to_all = any(each.grant is None for each in all_open) and not self._keys.exist()
        for each in all_open:
            if not (open_to_all if each.grant is None else each.grant in living):
                each.revoke()

    def _add(self, opened: OpenRequest) -> OpenRequest:
        self._open.add(opened)
        self._watcher.ensure()
        return opened

    def _streams(self) -> Counter[str]:
        return Counter(each.grant.account for each in self._open if each.is_stream and each.grant is not None)

    def _watch(self) -> None:
        time.sleep(self._check_s)
        with suppress(BrokerUnavailable):  # not known: the streams stay open, and nothing new comes from it either
            self.revoke_dead()


def _break_off(connection: socket.socket) -> None:
    """Shut it through a handle of our own: gevent's would raise in the greenlet that waits to write."""
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as handle:
        handle.shutdown(socket.SHUT_RDWR)


def open_stream(response: Response) -> OpenRequest:
    """Count the stream that this response is, until it is closed. Raises RateLimited."""
    limits: StreamLimits = current_app.extensions["stream_limits"]
    opened = limits.open_stream(current_auth().grant, request.environ.get("gunicorn.socket"))
    response.call_on_close(lambda: limits.close(opened))
    return opened


@contextmanager
def open_wait() -> Iterator[OpenRequest]:
    """Watch the key of this request while the block waits: once it is `revoked`, waiting is in vain."""
    limits: StreamLimits = current_app.extensions["stream_limits"]
    opened = limits.open_wait(current_auth().grant)
    try:
        yield opened
    finally:
        limits.close(opened)
