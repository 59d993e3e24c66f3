"""Parse the lines of a text/event-stream into events.

Keeps what a reader that comes back must say: the last id, and when.
"""

from __future__ import annotations

import json

from music_gen.types import Event


class EventReader:
    """Feed it the lines as they come, without their ends."""

    def __init__(self, last_id: str | None = None) -> None:
        self.last_id = last_id
        self.retry_s = 0.0
        self._id: str | None = None
        self._name = ""
        self._data: list[str] = []

    def feed(self, line: str) -> Event | None:
        """Return the event that this line ended, if it did."""
        if not line:
            return self._end()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
            case "id":
                self._id = value
            case "retry" if value.isdigit():
                self.retry_s = int(value) / 1000
        return None

    def reset(self) -> None:
        """Forget an unfinished event: its stream broke off in the middle of it."""
        self._id, self._name, self._data = None, "", []

    def _end(self) -> Event | None:
        event_id, name, data = self._id, self._name, self._data
        self.reset()
        if not (name and data):
            return None
        self.last_id = event_id or self.last_id
        return Event(name, json.loads("\n".join(data)), event_id)
