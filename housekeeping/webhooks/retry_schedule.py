"""Decide when a webhook that failed is tried again: soon, then ever later, and a last time at the end of the span."""

from __future__ import annotations

import random

FIRST_WAIT_S = 5.0
GROWTH = 4.0
JITTER = 0.2  # receivers that were down must not get everything at one moment


def next_try_at(event_at: float, now: float, tried: int, span_s: float, retry_after_s: float | None) -> float | None:
    """Return the UNIX seconds of the next try after `tried` ones; None when the span from the event on is used up.

    A receiver's Retry-After is kept to, but for the last try, which the span's end decides.
    """
    ends_at = event_at + span_s
    first_s = min(FIRST_WAIT_S, span_s / 20)
    if now + first_s >= ends_at:
        return None
    wait_s = min(first_s * GROWTH ** min(tried - 1, 30), span_s / 4) * random.uniform(1 - JITTER, 1 + JITTER)
    return min(now + max(wait_s, retry_after_s or 0.0), ends_at)
