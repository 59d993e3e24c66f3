"""Read a request for several instruments: its shape, and all its faults at once. Makes no job.

What is a request's own (duration, seed, format ...) is judged by MusicRequest; here are the instruments, what they have
in common, and how they are mixed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mixing.errors import MixError
from mixing.presets import family_of, find_preset
from mixing.validation import check_settings
from shared.errors import FieldError
from shared.music.blank_text import is_blank
from shared.music.mix_spec import MOST_PARTS, invalid_mix
from shared.music.request import descriptions, fields_where
from shared.music.request_fields import Key, TempoBpm, is_left_out
from shared.music.tempo_and_key import TempoAndKey, put_in

LONGEST_NAME = 64
UNPITCHED = frozenset({"drums", "percussion"})  # families whose notes have no key, and nothing that could be followed
PART_FIELDS = (*fields_where(lambda spec: spec.part), "follow")
EACH_PART = fields_where(lambda spec: spec.each_part)
SETTINGS = ("levels", "panning", "effects")  # of the mix, by instrument
MIX_FIELDS = ("mix_preset", *SETTINGS, "tempo_bpm", "key")
COMMON_FIELDS = tuple(name for name in fields_where(lambda spec: spec.multi) if name not in MIX_FIELDS)
ALL_FIELDS = ("instruments", *MIX_FIELDS, *COMMON_FIELDS)
EXAMPLE = '{"piano": "Jazz piano comping", "bass": "Walking bass line"}'
EXAMPLE_BODY = f'{{"instruments": {EXAMPLE}}}'


@dataclass(frozen=True)
class Instrument:
    """Say what one instrument is to play: `own` are its fields of a request, `where` its prompt's name in a refusal."""

    name: str
    prompt: object
    conditioned: bool
    where: str
    own: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MultiInstrumentSpec:
    """Say what was asked for. `common` is what all have in common, as a request has it."""

    instruments: tuple[Instrument, ...]
    common: Mapping[str, Any]
    tempo_bpm: int | None = None
    key: str | None = None
    mix_preset: str | None = None
    levels: Mapping[str, float] = field(default_factory=dict)
    panning: Mapping[str, float] = field(default_factory=dict)
    effects: Mapping[str, Any] = field(default_factory=dict)

    def request_fields(self, instrument: Instrument) -> dict[str, Any]:
        """Return the fields of a part's own request."""
        common = {name: self.common[name] for name in EACH_PART if name in self.common}
        return {**common, "prompt": instrument.prompt, **instrument.own}


def read_multi_instrument(fields: Mapping[str, Any]) -> tuple[MultiInstrumentSpec, list[FieldError]]:
    """Return what a body asks for, without what is wrong, and what is wrong with it."""
    known = {name: value for name, value in fields.items() if not is_left_out(name, value)}
    errors = [unknown_field(name, ALL_FIELDS) for name in known if name not in ALL_FIELDS]
    instruments, faults = _read_instruments(known.get("instruments"))
    mix, wrong = read_mix(known, [each.name for each in instruments])
    common = {name: known[name] for name in COMMON_FIELDS if name in known}
    return MultiInstrumentSpec(tuple(instruments), common, **mix), [*errors, *faults, *wrong]


def read_mix(known: Mapping[str, Any], names: Sequence[str]) -> tuple[dict[str, Any], list[FieldError]]:
    """Return those of the fields that say how instruments of these names are mixed, and what is wrong with them."""
    errors: list[FieldError] = []
    mix: dict[str, Any] = {}
    for name, read in READERS.items():
        if name in known:
            mix[name], wrong = read(known[name])
            errors += wrong
    if names:  # without any, each name in the settings would be a stranger
        settings = {name: known[name] for name in SETTINGS if name in known}
        try:
            check_settings(names, *(settings.get(name) for name in SETTINGS))
            mix |= settings
        except MixError as error:
            errors += invalid_mix(error).errors
    return mix, errors


def _read_instruments(found: object) -> tuple[list[Instrument], list[FieldError]]:
    remedy = f"send an object of 1 to {MOST_PARTS} instruments and their prompts, such as {EXAMPLE}"
    if not isinstance(found, Mapping) or not found:
        return [], [FieldError("instruments", f"is missing, empty or no object; {remedy}", repr(found)[:80])]
    if len(found) > MOST_PARTS:
        return [], [FieldError("instruments", f"holds {len(found)} instruments; {remedy}", str(len(found)))]
    instruments, errors = [], []
    for name, value in found.items():
        if is_blank(name) or len(name.strip()) > LONGEST_NAME or "\x00" in name:
            expected = f"send names of 1 to {LONGEST_NAME} characters that are not blank"
            errors.append(FieldError(f"instruments.{name[:60]}", f"is no name; {expected}", repr(name)[:80]))
            continue
        instrument, faults = _read_instrument(name, value)
        instruments.append(instrument)
        errors += faults
    return instruments, errors


def _read_instrument(name: str, value: object) -> tuple[Instrument, list[FieldError]]:
    where = f"instruments.{name}"
    if not isinstance(value, Mapping):
        return Instrument(name, value, is_pitched(name), where), []
    errors = [unknown_field(f"{where}.{each}", PART_FIELDS) for each in value if each not in PART_FIELDS]
    conditioned = None if is_left_out("follow", value.get("follow")) else value["follow"]
    if conditioned is not None and not isinstance(conditioned, bool):
        message = "send true or false; left out, all but drums and percussion follow the first instrument's melody"
        errors.append(FieldError(f"{where}.follow", message, repr(conditioned)[:80]))
        conditioned = None
    may_differ = [each for each in value if each in PART_FIELDS and each not in ("prompt", "follow")]
    own = {each: value[each] for each in may_differ if not is_left_out(each, value[each])}
    if conditioned and "melody" in own:
        message = "it has a melody of its own, and so cannot follow the first instrument's; leave follow or melody out"
        errors.append(FieldError(f"{where}.follow", message, "True"))
    conditioned = is_pitched(name) and "melody" not in own if conditioned is None else conditioned
    return Instrument(name, value.get("prompt", ""), conditioned, f"{where}.prompt", own), errors


def unknown_field(name: str, known: tuple[str, ...]) -> FieldError:
    """Return the fault of a field that nobody knows."""
    message = f"unknown field; leave it out. Known: {', '.join(sorted(known))}"
    return FieldError(name[:120], message, "", "UNKNOWN_FIELD")


def _as_in_a_request(field: str, kind: Any, value: object) -> tuple[Any, list[FieldError]]:
    try:
        return TypeAdapter(kind).validate_python(value), []
    except ValidationError:
        return None, [FieldError(field, f"send {descriptions()[field]}", repr(value)[:80])]


def _preset(value: object) -> tuple[str | None, list[FieldError]]:
    try:
        return find_preset(value).name, []
    except MixError as error:
        return None, list(invalid_mix(error).errors)


def faults_of(
    instrument: Instrument, faults: Sequence[FieldError], reported: Collection[str] = COMMON_FIELDS
) -> list[FieldError]:
    """Return the faults of this part's own request, under its name, but those in common fields that are `reported`."""
    own = [fault for fault in faults if fault.field in ("prompt", *instrument.own) or fault.field not in reported]
    where = {"prompt": instrument.where}
    return [
        replace(fault, field=where.get(fault.field, f"instruments.{instrument.name}.{fault.field}")) for fault in own
    ]


def lead_part_index(instruments: Sequence[Instrument]) -> int:
    """Return which of them the others follow: the first that has a melody."""
    return next((n for n, each in enumerate(instruments) if is_pitched(each.name)), 0)


def seed_of(name: str, seed: int) -> int:
    """Return the seed of the part of that name: the other parts keep theirs when one is added or left out."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:4], "big")


def is_pitched(name: str) -> bool:
    """Tell by its name alone whether what an instrument plays has a melody."""
    return family_of(name) not in UNPITCHED


def part_prompt(prompt: str, name: str, common: TempoAndKey) -> str:
    """Return the prompt of the part of that name, with the tempo and key that it does not name. Drums get no key."""
    return put_in(prompt, common.tempo_bpm, common.key if is_pitched(name) else None)


READERS: Mapping[str, Callable[[object], tuple[Any, list[FieldError]]]] = {
    "tempo_bpm": partial(_as_in_a_request, "tempo_bpm", TempoBpm),
    "key": partial(_as_in_a_request, "key", Key),
    "mix_preset": _preset,
}
