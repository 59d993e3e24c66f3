"""Describe how several parts, each a job of its own, are mixed into one: what the mix job's record holds.

Plain values: `effects` are chains as JSON has them, checked when it was accepted (`mixing.validation`). The parts
are named in the order in which they were asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mixing.errors import MixError
from mixing.presets import ChannelStrip, find_preset
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
class PartSettings:
    """Say how one part is mixed: level in dB, panning from -1 to 1, effects as JSON has them."""

    level: float
    panning: float
    effects: list[dict[str, Any]]


@dataclass(frozen=True)
class MixSpec:
    """Say how the parts are mixed. `levels` (dB), `panning` (-1 to 1) and `effects` replace the preset's.

    `mix_of` names the earlier piece that is mixed again, if it is one.
    """

    parts: tuple[Part, ...]
    tempo_bpm: int
    key: str
    mix_preset: str | None = None
    levels: Mapping[str, float] = field(default_factory=dict)
    panning: Mapping[str, float] = field(default_factory=dict)
    effects: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    mix_of: str | None = None

    def part_settings(self) -> dict[str, PartSettings]:
        """Return how each part is mixed: as the preset has it, or as this says in its stead."""
        names = [part.name for part in self.parts]
        strips = preset_settings(self.mix_preset, names)
        return {
            name: PartSettings(
                self.levels.get(name, strips[name].level),
                self.panning.get(name, strips[name].panning),
                self.effects.get(name, strips[name].effects),
            )
            for name in names
        }

    def bus(self) -> list[dict[str, Any]]:
        """Return the effects that the sum of the parts goes through, as JSON has them."""
        return [effect.as_json() for effect in find_preset(self.mix_preset).bus] if self.mix_preset else []

    def target_lufs(self, loudness: float | None) -> float:
        """Return the LUFS of the mix, of which so many were asked for; None of nothing that was."""
        if loudness is not None:
            return loudness
        return find_preset(self.mix_preset).target_lufs if self.mix_preset else DEFAULT_LUFS

    def as_json(self) -> str:
        """Return what the record holds; Lua reads the ids of the parts from it."""
        return json.dumps(asdict(self))

    def as_mixed(self) -> dict[str, Any]:
        """Return what decides how it sounds beside the parts themselves."""
        plain = asdict(replace(self, mix_of=None))
        del plain["mix_of"]
        return plain | {"parts": [part.name for part in self.parts]}

    @classmethod
    def from_json(cls, text: str) -> MixSpec:
        """Read it back. A later version may have written more; what this one does not know is left out."""
        plain = {name: value for name, value in json.loads(text).items() if name in cls.__dataclass_fields__}
        return cls(**plain | {"parts": tuple(Part(part["name"], part["task_id"]) for part in plain["parts"])})


def preset_settings(mix_preset: str | None, names: Sequence[str]) -> dict[str, PartSettings]:
    """Return how a preset mixes instruments of those names; without one all are in the middle at 0 dB."""
    strips = find_preset(mix_preset).channel_strips(names) if mix_preset else dict.fromkeys(names, ChannelStrip())
    return {
        name: PartSettings(strip.level_db, strip.pan, [effect.as_json() for effect in strip.effects])
        for name, strip in strips.items()
    }


def invalid_mix(error: MixError) -> InvalidMix:
    """Return the mixing desk's refusal as the error of a request."""
    return InvalidMix([FieldError(each.field, each.message, each.value) for each in error.errors])
