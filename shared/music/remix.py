"""Read a request to mix an earlier piece again: what is to be other than in its mix, and all faults at once.

A field that is left out is as the piece has it; null is the default, and not what the piece has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.errors import FieldError
from shared.music.mix_spec import MixSpec, Part
from shared.music.multi_instrument import SETTINGS, read_mix, unknown_field
from shared.music.request import ATTRIBUTES, FIELDS, MusicRequest, fields_where
from shared.music.request_fields import is_left_out

MIX_FIELDS = ("mix_preset", *SETTINGS)
OWN_FIELDS = fields_where(lambda spec: spec.mix)
FILE_FIELDS = tuple(name for name in OWN_FIELDS if FIELDS[name].decides == "file")
ALL_FIELDS = (*MIX_FIELDS, *OWN_FIELDS)
NO_PRESET = "none"  # where a preset's name is looked up
NOT_WANTED: Mapping[str, Any] = {"mix_preset": None, "levels": {}, "panning": {}, "effects": {}}
EXAMPLE_BODY = '{"levels": {"bass": -6, "drums": -96}, "loudness": -14}'


@dataclass(frozen=True)
class RemixSpec:
    """Say what was asked for: `changes` of how the parts are mixed, and `own`, the fields of the mix's own request."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)

    def mix(self, earlier: MixSpec, task_id: str, parts: tuple[Part, ...]) -> MixSpec:
        """Return how these parts are mixed, as in the earlier mix but for the changes."""
        return replace(earlier, parts=parts, mix_of=task_id, **self.changes)


def read_remix(fields: Mapping[str, Any], mix: MixSpec, request: MusicRequest) -> tuple[RemixSpec, list[FieldError]]:
    """Return what a body asks of the piece that has this mix and this request, and what is wrong with it."""
    errors = [unknown_field(name, ALL_FIELDS) for name in fields if name not in ALL_FIELDS]
    known = {name: value for name, value in fields.items() if not is_left_out(name, value)}
    changes, wrong = read_mix({name: known[name] for name in MIX_FIELDS if name in known}, [p.name for p in mix.parts])
    changes |= {name: NOT_WANTED[name] for name in MIX_FIELDS if name in fields and name not in known}
    own = {name: getattr(request, ATTRIBUTES[name]) for name in FILE_FIELDS if name not in fields}
    own |= {name: known[name] for name in OWN_FIELDS if name in known}
    return RemixSpec(changes, own), [*errors, *wrong]


def own_fields(request: MusicRequest) -> dict[str, Any]:
    """Return those attributes of a request that a new mix does not have from the piece."""
    return {ATTRIBUTES[name]: getattr(request, ATTRIBUTES[name]) for name in OWN_FIELDS if name in ATTRIBUTES}
