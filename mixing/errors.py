"""Define the mixer's own error: settings, or audio, that cannot be mixed. Knows no request; callers translate it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class SettingError:
    """Hold one bad setting: its field, such as effects.piano[0].wet, what is wrong, the remedy, and what was sent."""

    field: str
    message: str
    value: str


class MixError(Exception):
    """Report all bad settings of one mix together."""

    def __init__(self, errors: Iterable[SettingError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in self.errors))
