"""Faults: what is wrong with one field of a request, as a value. The errors that carry them are in errors.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One bad field: its name, what was sent (shortened), what is wrong and the remedy."""

    field: str
    message: str
    value: str = ""
    code: str = "INVALID_REQUEST"

    def as_dict(self) -> dict[str, str]:
        return {"field": self.field, "value": self.value, "message": self.message, "code": self.code}
