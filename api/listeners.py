"""Listeners: how many streams an account holds open at once: events, sound, WebSockets, all together.

Counted in each API process, since that is what has only so many connections (stack/gunicorn.conf.py): one account must
not take them all. Without keys nothing is limited, as with all limits.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from functools import partial

from flask import Response, current_app, g

from api.account import current_account
from shared.errors import RateLimited

RETRY_AFTER_S = 5  # a stream ends with its task: nobody knows when


class Listeners:
    """One per process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seats: dict[str, set[object]] = defaultdict(set)
        self._lock = threading.Lock()

    def seat(self, account: str) -> Callable[[], None]:
        """One more, until what is returned is called, once or more often. Raises RateLimited."""
        with self._lock:
            if len(self._seats[account]) >= self._most:
                raise RateLimited(f"{self._most} open streams", RETRY_AFTER_S)
            self._seats[account].add(seat := object())
        return partial(self._leave, account, seat)

    def _leave(self, account: str, seat: object) -> None:
        with self._lock:
            seats = self._seats[account]
            seats.discard(seat)
            if not seats:
                del self._seats[account]


def seated(response: Response) -> Response:
    """This answer stays open for long: it counts until it is closed. Raises RateLimited."""
    if g.get("keys_exist"):
        listeners: Listeners = current_app.extensions["listeners"]
        response.call_on_close(listeners.seat(current_account()))
    return response
