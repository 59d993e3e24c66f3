"""Write clients/python/music_gen/responses.py: dataclasses for the API's responses, by the package's own names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Any]
LINE = 120


@dataclass(frozen=True)
class Response:
    """Describe a class of the package, and the components that it reads: the first, or what is left of it.

    `names`: fields that the package calls otherwise. `defaults`: of fields that may be absent, where None is no good.
    `left_out`: fields that only `raw` has. `keeps_raw`: it has all that was received, in `raw`.
    """

    components: tuple[str, ...]
    bases: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    keeps_raw: bool = False


CLASSES = {
    "Fingerprint": Response(("FingerprintResponse",)),
    "Part": Response(("PartResponse",), names={"percent": "progress"}, defaults={"percent": "0.0", "prompt": '""'}),
    "Task": Response(
        ("TaskResponse", "GoneTask"),
        bases="(TaskEnd)",
        names={"task_id": "id", "duration": "duration_s", "sample_rate": "sample_rate_hz"},
        defaults={"progress": "0.0", "output_format": '"wav"', "gone": "False"},
        left_out=("success", "result"),
        keeps_raw=True,
    ),
    "Share": Response(("ShareResponse",), names={"share_id": "id"}),
    "Batch": Response(("BatchResponse",), bases="(BatchEnd)", names={"batch_id": "id"}, keeps_raw=True),
}
OWNERS = {component: name for name, each in CLASSES.items() for component in each.components}
HEAD = '''\
"""Define what the server responds with, as values. Written by tools/generate_client_types.py; do not edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from music_gen.ends import BatchEnd, TaskEnd


def _as_sent(kind: type, response: Mapping[str, Any], *others: str) -> dict[str, Any]:
    """Return the fields that need not be there, but are, as they are and by their own names; `others` are not."""
    optional = {each.name for each in fields(kind) if each.default is not MISSING} - set(others)
    return {name: response[name] for name in optional if name in response}

'''
PRIMITIVES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
ABSENT = {"str": '""'}  # of a field that only what is left of a record lacks


@dataclass(frozen=True)
class Field:
    """Describe one field of a class: its key in the JSON, its type, and its default where it may be absent."""

    key: str
    name: str
    type: str
    description: str
    default: str | None

    def declaration(self) -> list[str]:
        line = f"    {self.name}: {self.type}" + (f" = {self.default}" if self.default else "")
        comment = f"  # {self.description}"
        if not self.description:
            return [line]
        return [line + comment] if len(line + comment) <= LINE else [f"    {comment.strip()}", line]

    @property
    def as_sent(self) -> bool:
        """Return whether it need not be there, and is taken as it is and by its own name."""
        return self.default is not None and self.name == self.key and self.reader().startswith("response.get(")

    def reader(self) -> str:
        """Return the expression that reads the field off `response`."""
        if self.type.startswith("tuple["):
            found = f'response.get("{self.key}", ())' if self.default else f'response["{self.key}"]'
            item = self.type.removeprefix("tuple[").removesuffix(", ...]")
            return f"tuple(map({item}.from_answer, {found}))" if item in CLASSES else f"tuple({found})"
        if (kind := self.type.removesuffix(" | None")) in CLASSES:
            return f'{kind}.from_answer(response["{self.key}"]) if "{self.key}" in response else None'
        if self.default is None:
            return f'response["{self.key}"]'
        default = "" if self.default == "None" else f", {self.default}"
        return f'response.get("{self.key}"{default})'


def python_types(components: Mapping[str, Schema]) -> str:
    """Return the text of the file."""
    return HEAD + "\n".join(_class(name, response, components) for name, response in CLASSES.items())


def _class(name: str, response: Response, components: Mapping[str, Schema]) -> str:
    fields = sorted(_fields(response, components), key=lambda each: each.default is not None)
    read = [each for each in fields if not each.as_sent]
    others = "".join(f', "{each.name}"' for each in read if each.default is not None)
    raw = ["    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)  # all of it, as it came"]
    lines = [
        "",
        "@dataclass(frozen=True)",
        f"class {name}{response.bases}:",
        f'    """{" ".join(components[response.components[0]]["description"].split())}"""',
        "",
        *(line for each in fields for line in each.declaration()),
        *(raw if response.keeps_raw else []),
        "",
        "    @classmethod",
        f"    def from_answer(cls, response: Mapping[str, Any]) -> {name}:",
        "        return cls(",
        *(f"            {each.name}={each.reader()}," for each in read),
        *(["            raw=response,"] if response.keeps_raw else []),
        *([f"            **_as_sent(cls, response{others}),"] if len(read) < len(fields) else []),
        "        )",
        "",
    ]
    return "\n".join(lines)


def _fields(response: Response, components: Mapping[str, Schema]) -> Iterator[Field]:
    """Yield the fields of all of the response's components, each once."""
    parts = [components[component] for component in response.components]
    everywhere = set.intersection(*(set(part["required"]) for part in parts))
    seen = set(response.left_out)
    for part in parts:
        for key, schema in part["properties"].items():
            if key in seen:
                continue
            seen.add(key)
            kind, nullable = _type(schema, components), _is_nullable(schema)
            default = None
            if key not in everywhere:
                default = response.defaults.get(key) or _default(kind, nullable, key in part["required"])
            if default == "None" or nullable:
                kind = f"{kind} | None"
            yield Field(key, response.names.get(key, key), kind, schema.get("description", ""), default)


def _default(kind: str, nullable: bool, required: bool) -> str:
    if kind.startswith("tuple["):
        return "()"
    return ABSENT.get(kind, "None") if required and not nullable else "None"


def _is_nullable(schema: Schema) -> bool:
    return {"type": "null"} in schema.get("anyOf", ())


def _type(schema: Schema, components: Mapping[str, Schema]) -> str:
    """Return the type of a field but for its None. Raises KeyError for a schema of a kind that none has had so far."""
    if "anyOf" in schema:
        kinds = {_type(each, components) for each in schema["anyOf"] if each != {"type": "null"}}
        return kinds.pop() if len(kinds) == 1 else "Any"
    if "$ref" in schema:
        component = schema["$ref"].rpartition("/")[2]
        return OWNERS.get(component) or _type(components[component], components)
    if schema["type"] == "array":
        return f"tuple[{_type(schema['items'], components)}, ...]"
    if schema["type"] == "object":
        values = schema.get("properties", {}).values() or [schema["additionalProperties"]]
        kinds = {_type(each, components) for each in values if isinstance(each, Mapping)}
        return f"Mapping[str, {kinds.pop() if len(kinds) == 1 else 'Any'}]"
    return PRIMITIVES[schema["type"]]
