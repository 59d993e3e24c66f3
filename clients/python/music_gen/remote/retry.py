"""Decide whether a call is tried again, and when. Makes no call and does not sleep.

Every call may be repeated: reading and cancelling change nothing the second time, and each submission carries an
Idempotency-Key, under which the server knows its own task again.
"""

from __future__ import annotations

import random
import time

import httpx

RETRIED = frozenset({408, 429, 502, 503, 504})
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 8.0

Outcome = httpx.Response | httpx.TransportError  # of one try


class RetrySchedule:
    """Schedule one call's tries: `span_s` seconds from its first failure on.

    Waits double, with jitter, or are the server's.
    """

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._until: float | None = None
        self._next_s = FIRST_WAIT_S

    @property
    def tried(self) -> bool:
        """Return whether an earlier try failed, and may have been taken all the same."""
        return self._until is not None

    def wait_s(self, outcome: Outcome) -> float | None:
        """Return the wait before the next try; None when this outcome is final."""
        if isinstance(outcome, httpx.Response) and outcome.status_code not in RETRIED:
            return None
        if isinstance(outcome, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
            return None  # it will not come right by itself
        now = time.monotonic()
        self._until = now + self._span_s if self._until is None else self._until
        waited_s = random.uniform(self._next_s / 2, self._next_s)
        self._next_s = min(self._next_s * 2, LONGEST_WAIT_S)
        named_s = retry_after_s(outcome) if isinstance(outcome, httpx.Response) else None
        if named_s is not None:
            waited_s += named_s  # not all callers at the same instant
        return waited_s if now + waited_s <= self._until else None


def retry_after_s(response: httpx.Response) -> float | None:
    """Return the wait that the server asks for, in seconds."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else None
