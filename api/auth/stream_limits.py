"""Count the streams that are open (events, sound, WebSockets), and end them and what waits when their key is disabled.

How many an account holds open at once is bounded in each API process, since that is what has only so many connections
(stack/gunicorn.conf.py); without keys nothing is limited, as with all limits. Whatever stays open goes through
`seated`, so no kind of stream can forget either; what is held until it can be answered, through `waiting_seat`.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from flask import Response, current_app, g, request

from api.auth.context import current_grant
from api.auth.keys import Keys
from shared.accounts.key_states import Grant
from shared.errors import BrokerUnavailable, RateLimited, Unauthorized

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5  # a stream ends with its task: nobody knows when
END_S = 2.0  # within which a stream that is asked to end does so, unless its writer waits for a slow reader


class Seat:
    """One open stream or held request. `revoked` once its key is no longer good: whoever answers it ends it then."""

    def __init__(self, grant: Grant | None, connection: socket.socket | None, *, is_stream: bool = True) -> None:
        self.grant = grant
        self.is_stream = is_stream
        self._connection = connection
        self._revoked_at: float | None = None

    @property
    def revoked(self) -> bool:
        return self._revoked_at is not None

    def revoke(self) -> None:
        """Ask the stream to end; break the connection of one that was asked before and has not ended."""
        if self._revoked_at is None:
            self._revoked_at = time.monotonic()
        elif time.monotonic() - self._revoked_at > END_S and self._connection is not None:
            _break_off(self._connection)


class StreamLimits:
    """One per process. While streams are open, one thread asks every `check_s` seconds whether their keys are good."""

    def __init__(self, keys: Keys, *, most: int, check_s: float) -> None:
        self._keys = keys
        self._most = most
        self._check_s = check_s
        self._seats: set[Seat] = set()
        self._lock = threading.Lock()
        self._watching = False

    def seat(self, grant: Grant | None, connection: socket.socket | None = None) -> Seat:
        """Return one more seat of a stream, until it is given to `leave`. Raises RateLimited."""
        with self._lock:
            if grant is not None and self._held()[grant.account] >= self._most:
                raise RateLimited(f"{self._most} open streams", RETRY_AFTER_S)
            return self._add(Seat(grant, connection))

    def waiting_seat(self, grant: Grant | None) -> Seat:
        """Return the seat of a request that is held for its answer: its key is looked after, and it counts as none."""
        with self._lock:
            return self._add(Seat(grant, None, is_stream=False))

    def leave(self, seat: Seat) -> None:
        with self._lock:
            self._seats.discard(seat)

    def revoke_dead(self) -> None:
        """Revoke the seats whose key is disabled, and those without one once keys exist. Raises BrokerUnavailable."""
        with self._lock:
            seats = list(self._seats)
        grants = {seat.grant for seat in seats if seat.grant is not None}
        living = self._keys.states.living(grants) if grants else set()
        open_to_all = any(seat.grant is None for seat in seats) and not self._keys.exist()
        for seat in seats:
            if not (open_to_all if seat.grant is None else seat.grant in living):
                seat.revoke()

    def _add(self, seat: Seat) -> Seat:
        self._seats.add(seat)
        if not self._watching:
            self._watching = True
            threading.Thread(target=self._watch, name="listeners", daemon=True).start()
        return seat

    def _held(self) -> Counter[str]:
        return Counter(seat.grant.account for seat in self._seats if seat.is_stream and seat.grant is not None)

    def _watch(self) -> None:
        while self._is_watched():
            time.sleep(self._check_s)
            try:
                self.revoke_dead()
            except BrokerUnavailable:
                continue  # nobody can tell: the streams stay open, and nothing new comes from the broker either
            except Exception:
                log.exception("looking after the keys of open streams failed; it is tried again")

    def _is_watched(self) -> bool:
        with self._lock:
            self._watching = bool(self._seats)
            return self._watching


def _break_off(connection: socket.socket) -> None:
    """Shut it through a handle of our own: gevent's would raise in the greenlet that waits to write."""
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as handle:
        handle.shutdown(socket.SHUT_RDWR)


def seated(response: Response) -> Response:
    """Note that this answer stays open for long: it has a seat until it is closed. Raises RateLimited."""
    listeners: StreamLimits = current_app.extensions["listeners"]
    g.seat = seat = listeners.seat(current_grant(), request.environ.get("gunicorn.socket"))
    response.call_on_close(lambda: listeners.leave(seat))
    return response


@contextmanager
def waiting_seat() -> Iterator[Seat]:
    """Look after the key of this request while the block holds it: once the seat is `revoked`, waiting is in vain."""
    listeners: StreamLimits = current_app.extensions["listeners"]
    seat = listeners.waiting_seat(current_grant())
    try:
        yield seat
    finally:
        listeners.leave(seat)


def is_revoked() -> bool:
    """Return whether the stream of this request is to end, since its key is no longer good."""
    seat: Seat | None = g.get("seat")
    return seat is not None and seat.revoked


def expect_good_key() -> None:
    """Raises Unauthorized when the stream of this request `is_revoked`."""
    if is_revoked():
        raise Unauthorized("the API key that opened this connection is no longer good")
