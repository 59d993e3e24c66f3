"""Follow one task's events over as many streams as it takes: what was heard last, and when to come back.

httpx-sse parses each stream (text/event-stream, as the WHATWG's standard has it); none is opened here.
"""

from __future__ import annotations

import json

import httpx
from httpx_sse import EventSource, ServerSentEvent

from music_gen.remote import requests as calls
from music_gen.remote.outcomes import wait_s
from music_gen.remote.retry import Outcome, RetrySchedule
from music_gen.types import Event


class EventStream:
    """Read a task's events after the one with the id `after`; `last_id` is that of the last one read."""

    def __init__(self, after: str | None, retry_for_s: float) -> None:
        self.last_id = after
        self._retry_for_s = retry_for_s
        self._schedule = RetrySchedule(retry_for_s)
        self._response: httpx.Response | None = None
        self._named_wait_s = 0.0

    def begin(self, response: httpx.Response) -> EventSource:
        """Read on from this response. Raises UnexpectedAnswer for what is no event stream."""
        calls.expect_events(response)
        self._response = response
        return EventSource(response)

    def read(self, sent: ServerSentEvent) -> Event | None:
        """Return the event; None for a block without data, which may still name another wait."""
        if sent.retry is not None:
            self._named_wait_s = sent.retry / 1000
        if not sent.data:
            return None
        # the standard lets an event without an id keep the last one's; here it has none of its own
        own_id = sent.id if sent.id not in ("", self.last_id) else None
        self.last_id = own_id or self.last_id
        return Event(sent.event, json.loads(sent.data), own_id)

    def wait_s(self, broken: Outcome) -> float:
        """Return the wait before the next stream. Raises this one's error where that is in vain.

        As long as something comes, be it a comment, the schedule begins anew.
        """
        if self._response is not None and self._response.num_bytes_downloaded:
            self._schedule = RetrySchedule(self._retry_for_s)
        self._response = None
        return max(wait_s(self._schedule, broken), self._named_wait_s)
