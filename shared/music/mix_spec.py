"""Describe how several parts, each a job of its own, are mixed into one: what the mix job's record holds.

Plain values: `effects` are chains as JSON has them, checked when it was accepted (`mixing.validation`). The parts
are named in the order in which they were asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mixing.errors import MixError
from shared.errors import FieldError, InvalidMix

MOST_PARTS = 16
PARTS_PERCENT = 95  # of a composition, what its parts are; the rest is the mix (compositions.lua knows this too)
DEFAULT_LUFS = -16.0  # where neither a preset nor the request says another


@dataclass(frozen=True)
class Part:
    """Name one instrument and the job that makes it."""

    name: str
    task_id: str


@dataclass(frozen=True)
class MixSpec:
    """Say how the parts are mixed. `levels` (dB), `panning` (-1 to 1) and `effects` replace the preset's."""

    parts: tuple[Part, ...]
    tempo_bpm: int
    key: str
    mix_preset: str | None = None
    levels: Mapping[str, float] = field(default_factory=dict)
    panning: Mapping[str, float] = field(default_factory=dict)
    effects: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def as_json(self) -> str:
        """Return what the record holds; Lua reads the ids of the parts from it."""
        return json.dumps(asdict(self))

    def as_mixed(self) -> dict[str, Any]:
        """Return what decides how it sounds beside the parts themselves."""
        plain = asdict(self)
        return plain | {"parts": [part.name for part in self.parts]}

    @classmethod
    def from_json(cls, text: str) -> MixSpec:
        """Read it back. A later version may have written more; what this one does not know is left out."""
        plain = {name: value for name, value in json.loads(text).items() if name in cls.__dataclass_fields__}
        return cls(**plain | {"parts": tuple(Part(part["name"], part["task_id"]) for part in plain["parts"])})


def invalid_mix(error: MixError) -> InvalidMix:
    """Return the mixing desk's refusal as the error of a request."""
    return InvalidMix([FieldError(each.field, each.message, each.value) for each in error.errors])
