"""Write clients/js/src/requests.d.ts: the fields that the methods of the JavaScript package take."""

from __future__ import annotations

from collections.abc import Sequence

from tools.request_parameters import ALIASES, Parameter

PRIMITIVES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean"}
SPECIAL = {"continue_from": "string | Clip | Task"}
HEAD = """\
// Written by tools/generate_client_types.py from the fields of a request; do not edit.

import type { Clip, Task } from './index.js';
"""
AUDIO_FILE = """\
/** A file; in Node also the path of one. */
export type AudioFile = Blob | ArrayBuffer | Uint8Array | string;
"""


def typescript_request_types(fields: Sequence[Parameter]) -> str:
    """Return the text of the file."""
    aliases = [f"export type {ALIASES[each.name]} = {_union(each.words)};" for each in fields if each.name in ALIASES]
    plain = [each for each in fields if not each.spec.file]
    files = [each for each in fields if each.spec.file]
    parts = [
        HEAD,
        *aliases,
        "",
        AUDIO_FILE,
        "/** All but recordings. */",
        "export interface PlainRequest {",
        *(line for each in plain for line in _lines(each)),
        "}",
        "",
        "export interface MusicRequest extends PlainRequest {",
        *(line for each in files for line in _lines(each)),
        "}",
        "",
        *_names("PartField", "What an instrument of a piece may have of its own.", [f for f in fields if f.spec.part]),
        *_names("PieceField", "What a piece for several instruments has.", [f for f in plain if f.spec.multi]),
        *_names("MixField", "What a piece that is mixed again may have anew.", [f for f in plain if f.spec.mix]),
    ]
    return "\n".join(parts)


def _lines(field: Parameter) -> list[str]:
    text = f"{field.description[:1].upper()}{field.description[1:]}"
    return [f"  /** {text} */", f"  {field.name}?: {_type(field)};"]


def _type(field: Parameter) -> str:
    """Return the type of a value. Raises KeyError for a schema of a kind that no field has had so far."""
    if field.name in SPECIAL:
        return SPECIAL[field.name]
    if field.spec.file:
        return "AudioFile"
    if field.schema["type"] == "array":
        return f"{ALIASES[field.name]}[]"
    if field.words:
        return ALIASES.get(field.name) or _union(field.words)
    return PRIMITIVES[field.schema["type"]]


def _names(name: str, meaning: str, fields: Sequence[Parameter]) -> list[str]:
    names = [f"  | '{each.name}'" for each in fields]
    return [f"/** {meaning} */", f"export type {name} =", *names[:-1], f"{names[-1]};", ""]


def _union(words: Sequence[str]) -> str:
    return " | ".join(f"'{word}'" for word in words)
