"""Describe what is wrong with one field of a request, as a value. The errors that carry them are in refusals.py.

A refusal is small whatever was sent: each text is cut, and only the first faults are listed, the others counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

FAULTS_LISTED = 20
LISTED_BYTES = 24 * 1024  # of their JSON: a response has each fault twice, and at most 64 KB
FIELD_CHARS, VALUE_CHARS, MESSAGE_CHARS = 120, 120, 800


@dataclass(frozen=True)
class FieldError:
    """Describe one bad field: its name, what was sent (shortened), what is wrong and the remedy."""

    field: str
    message: str
    value: str = ""
    code: str = "INVALID_REQUEST"

    def __post_init__(self) -> None:
        """Cut what a caller may have made long."""
        for name, longest in (("field", FIELD_CHARS), ("message", MESSAGE_CHARS), ("value", VALUE_CHARS)):
            object.__setattr__(self, name, shortened(getattr(self, name), longest))

    def as_dict(self) -> dict[str, str]:
        return {"field": self.field, "value": self.value, "message": self.message, "code": self.code}


class Faults:
    """Collect faults: the first ones are `listed`, `more` counts the rest."""

    def __init__(self, errors: Iterable[FieldError] = (), more: int = 0) -> None:
        self.listed: list[FieldError] = []
        self.more = 0
        self._bytes = 0
        self.add(errors, more)

    def __bool__(self) -> bool:
        return bool(self.listed or self.more)

    @property
    def full(self) -> bool:
        """Tell whether a further fault would only be counted."""
        return self.more > 0 or len(self.listed) >= FAULTS_LISTED

    def add(self, errors: Iterable[FieldError], more: int = 0) -> None:
        """Add these, and `more` that are known by their number alone."""
        for error in errors:
            size = len(json.dumps(error.as_dict()))
            if self.full or (self.listed and self._bytes + size > LISTED_BYTES):
                self.more += 1
            else:
                self.listed.append(error)
                self._bytes += size
        self.more += more


def joined(messages: Iterable[str], more: int) -> str:
    """Return the listed faults as one line of text that also says how many are not in it."""
    return "; ".join([*messages, *([f"and {more} more"] if more else [])])


def shortened(text: str, longest: int) -> str:
    """Return the text, or its beginning with a mark that something is missing."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
