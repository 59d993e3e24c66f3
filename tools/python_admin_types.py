"""Write clients/python/music_gen/admin_types.py: the responses of /admin/api, as the JSON objects that they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tools.typescript_types import ADMIN_NAMES

Schema = Mapping[str, Any]

HEAD = '''\
"""Define what /admin/api responds with, as typed dicts. Written by tools/generate_client_types.py; do not edit.

Times are UNIX seconds.
"""

from __future__ import annotations

from typing import Literal, TypedDict

'''
PRIMITIVES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def python_admin_types(components: Mapping[str, Schema]) -> str:
    """Return the text of the file."""
    return HEAD + "\n".join(_class(name, components[each], components) for each, name in ADMIN_NAMES.items())


def _class(name: str, schema: Schema, components: Mapping[str, Schema]) -> str:
    lines = ["", f"class {name}(TypedDict):", f'    """{" ".join(schema["description"].split())}"""', ""]
    for field, described in schema["properties"].items():
        words = described.get("description", "")
        lines.append(f"    {field}: {_type(described, components)}" + (f"  # {words}" if words else ""))
    return "\n".join([*lines, ""])


def _type(schema: Schema, components: Mapping[str, Schema]) -> str:
    """Return the type of a field. Raises KeyError for a schema of a kind that no response has had so far."""
    if "$ref" in schema:
        component = schema["$ref"].rpartition("/")[2]
        return _type(components[component], components) if "enum" in components[component] else ADMIN_NAMES[component]
    if "const" in schema or "enum" in schema:
        return f"Literal[{', '.join(map(_literal, schema.get('enum', [schema.get('const')])))}]"
    if "anyOf" in schema:
        return " | ".join(_type(each, components) for each in schema["anyOf"])
    if schema["type"] == "array":
        return f"list[{_type(schema['items'], components)}]"
    if schema["type"] == "object":
        return f"dict[str, {_type(schema['additionalProperties'], components)}]"
    return PRIMITIVES[schema["type"]]


def _literal(value: object) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)
