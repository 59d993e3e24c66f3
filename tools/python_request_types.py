"""Write clients/python/music_gen/request_fields.py: what the methods of the Python package take by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from tools.request_parameters import ALIASES, Parameter

LINE = 120
POSITIONAL = ("prompt", "duration")  # of every method, which is why no TypedDict has them
POSITIONAL_LOCALLY = ("temperature", "top_k", "top_p", "seed")  # of MusicGenerator.generate besides
PRIMITIVES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
SPECIAL = {"continue_from": "Task | str"}
HEAD = '''\
"""Define what may be asked for, field by field. Written by tools/generate_client_types.py; do not edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from music_gen.types import Task

'''
AUDIO_FILE = "AudioFile = str | Path | bytes  # its path, or its bytes"
FIELDS = (
    "Fields",
    "TypedDict",
    "Hold what may be asked for beside prompt and duration. What is left out, the server decides.",
)
ASKED = (
    "Asked",
    "Fields",
    "Hold all that one submission may have. With your own `idempotency_key` it is made once.",
)
MIX = ("MixFields", "TypedDict", "Hold what a piece that is mixed again may have anew.")
KEYWORDS = ("LocalKeywords", "TypedDict", "Hold what `MusicGenerator.generate` takes by name alone.")
LOCAL = (
    "LocalFields",
    "LocalKeywords",
    "Hold what is asked for beside prompt, duration and melody; what is left out is usual.",
)


def python_request_types(fields: Sequence[Parameter]) -> str:
    """Return the text of the file."""
    remote = [_line(each, _type(each)) for each in fields if each.name not in POSITIONAL]
    local = [each for each in fields if each.spec.local]
    by_name = [_line(each, _type_or_none(each)) for each in local if each.name not in POSITIONAL_LOCALLY]
    positional = [_line(each, _type_or_none(each)) for each in local if each.name in POSITIONAL_LOCALLY]
    classes = [
        _typed_dict(FIELDS, remote),
        _typed_dict(ASKED, ["    idempotency_key: str"]),
        _typed_dict(MIX, [_line(each, _type_or_none(each)) for each in fields if each.spec.mix]),
        _typed_dict(KEYWORDS, by_name),
        _typed_dict(LOCAL, positional),
    ]
    aliases = [f"{ALIASES[each.name]} = Literal[{_listed(each.words)}]" for each in fields if each.name in ALIASES]
    return "\n".join([HEAD + "\n".join([*aliases, AUDIO_FILE]), "", "", *classes, _options(fields)])


def _typed_dict(about: tuple[str, str, str], lines: Iterable[str]) -> str:
    name, base, meaning = about
    return "\n".join([f"class {name}({base}, total=False):", f'    """{meaning}"""', "", *lines, "", ""])


def _line(field: Parameter, kind: str) -> str:
    line, comment = f"    {field.name}: {kind}", f"# {field.description}"
    return f"{line}  {comment}" if len(line) + 2 + len(comment) <= LINE else f"    {comment}\n{line}"


def _type(field: Parameter) -> str:
    """Return the type of a value. Raises KeyError for a schema of a kind that no field has had so far."""
    if field.name in SPECIAL:
        return SPECIAL[field.name]
    if field.spec.file:
        return "AudioFile"
    if field.schema["type"] == "array":
        return f"Sequence[{ALIASES[field.name]}]"
    if field.words:
        return ALIASES.get(field.name) or f"Literal[{_listed(field.words)}]"
    return PRIMITIVES[field.schema["type"]]


def _type_or_none(field: Parameter) -> str:
    return _type(field) + (" | None" if field.nullable else "")


def _listed(words: Sequence[str]) -> str:
    return ", ".join(json.dumps(word) for word in words)


def _options(fields: Sequence[Parameter]) -> str:
    """Return the table of the command's options: how each is read, and what is said of it."""
    lines = ["OPTIONS: Mapping[str, tuple[type[Any], str]] = {  # of the command music-gen"]
    for each in (each for each in fields if each.spec.option):
        kind, words = PRIMITIVES[each.schema["type"]], json.dumps(each.description)
        line = f'    "{each.name}": ({kind}, {words}),'
        lines += (
            [line]
            if len(line) <= LINE
            else [f'    "{each.name}": (', f"        {kind},", f"        {words},", "    ),"]
        )
    return "\n".join([*lines, "}", ""])
