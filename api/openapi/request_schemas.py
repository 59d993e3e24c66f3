"""Turn pydantic's schemas of request bodies into what callers may send: fields that may be left out, and forms.

Owns one rule of all routes: a field that is not required may be null, which means the same as leaving it out. Its
default stands with its kind, not with the field: generators take a field that has a default for one that must be sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]

REF = "#/components/schemas/{model}"
NULL = {"type": "null"}
BINARY = {"type": "string", "format": "binary"}
BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def bounded(schema: Any) -> Any:
    """Return a schema with JSON Schema's names of bounds, where pydantic leaves its own on a nullable number."""
    if isinstance(schema, list):
        return [bounded(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {_bound(key, value): bounded(value) for key, value in schema.items()}


def _bound(key: str, value: object) -> str:
    """Return the name of a bound; a field that is called like one has a schema, not a number."""
    return BOUNDS.get(key, key) if isinstance(value, int | float) else key


def component_of(reference: Json) -> str:
    """Return the name of the component that a reference leads to."""
    return str(reference["$ref"]).rpartition("/")[2]


def reached_from(name: str, components: Json) -> Iterator[str]:
    """Yield the component of that name and all that it consists of, some more than once."""
    yield name
    for reference in _references(components[name]):
        yield from reached_from(component_of(reference), components)


def _references(schema: Any) -> Iterator[Json]:
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)
    elif isinstance(schema, dict):
        if "$ref" in schema:
            yield schema
        for each in schema.values():
            yield from _references(each)


def as_sent(schema: Json) -> Json:
    """Return an object's schema with each field that is not required as one that may be null."""
    if "properties" not in schema:
        return schema
    required = schema.get("required", ())
    fields = {
        name: _described(field) if name in required else _may_be_left_out(field)
        for name, field in schema["properties"].items()
    }
    return {**schema, "properties": fields}


def _described(field: Json) -> Json:
    """Return the field without pydantic's title, which is its name again."""
    return {key: value for key, value in field.items() if key != "title"}


def _may_be_left_out(field: Json) -> Json:
    words = {key: field[key] for key in ("description",) if key in field}
    rest = {key: value for key, value in field.items() if key not in ("title", "description", "default", "anyOf")}
    kinds = [{**kind, **rest} for kind in field.get("anyOf", [{}]) if kind != NULL]
    default = field.get("default")
    if kinds and default is not None and default != "":  # an empty text stands for nothing at all
        kinds[0] = {**kinds[0], "default": default}
    kinds = [kind for kind in kinds if kind != NULL]
    return {"anyOf": [*kinds, NULL], **words} if kinds else {**NULL, **words}


def form_of(schema: Json, files: Mapping[str, str]) -> Json:
    """Return the schema of a form with those fields and files.

    A form has no null, a list is text with commas, and the defaults are told by the body.
    """
    fields = {name: _in_form(field) for name, field in schema["properties"].items() if name not in files}
    uploads = {name: {**BINARY, "description": words} for name, words in files.items()}
    return {
        "type": "object",
        "properties": {**fields, **uploads},
        "additionalProperties": False,
        **{key: schema[key] for key in ("required", "description") if key in schema},
    }


def _in_form(field: Json) -> Json:
    words = {key: field[key] for key in ("description",) if key in field}
    kinds = [_without_default(kind) for kind in field.get("anyOf", [field]) if kind != NULL]
    if kinds[0].get("type") == "array":
        return {"type": "string", **words}
    return {**kinds[0], **words} if len(kinds) == 1 else {"anyOf": kinds, **words}


def _without_default(kind: Json) -> Json:
    return {key: value for key, value in kind.items() if key != "default"}


def discriminated(references: Sequence[Json], components: Json) -> Json:
    """Return oneOf those schemas, with the property that tells which it is where all have one."""
    found = [components[component_of(reference)] for reference in references]
    for name in found[0].get("properties", ()):
        values = [_constants(schema, name) for schema in found]
        mapping = {value: ref["$ref"] for ref, words in zip(references, values, strict=True) for value in words}
        if all(values) and len(mapping) == sum(map(len, values)):
            return {"oneOf": list(references), "discriminator": {"propertyName": name, "mapping": mapping}}
    return {"oneOf": list(references)}


def _constants(schema: Json, name: str) -> list[str]:
    """Return the words that the property may be; none where it may be others, or is not always there."""
    field = schema["properties"].get(name, {}) if name in schema.get("required", ()) else {}
    values = [field["const"]] if "const" in field else field.get("enum", [])
    return [value for value in values if isinstance(value, str)]
