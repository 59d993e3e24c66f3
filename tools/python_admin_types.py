"""Write admin_types.py and admin_access_types.py of the Python client: the responses of /admin/api as JSON objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tools.typescript_types import ACCESS_NAMES, ADMIN_NAMES, ALL_NAMES

Schema = Mapping[str, Any]

HEAD = '''\
"""Define what /admin/api responds with about {about}. Times are UNIX seconds.

Written by tools/generate_client_types.py; do not edit.
"""

from __future__ import annotations

from typing import Literal, TypedDict

'''
PRIMITIVES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def python_admin_types(components: Mapping[str, Schema]) -> str:
    """Return the text of the file about workers, queues and tasks."""
    return _file("workers, queues and tasks", ADMIN_NAMES, components)


def python_admin_access_types(components: Mapping[str, Schema]) -> str:
    """Return the text of the file about keys and the audit log."""
    return _file("keys and the audit log", ACCESS_NAMES, components)


def _file(about: str, names: Mapping[str, str], components: Mapping[str, Schema]) -> str:
    return HEAD.format(about=about) + "\n".join(
        _class(name, components[each], components) for each, name in names.items()
    )


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
        return _type(components[component], components) if "enum" in components[component] else ALL_NAMES[component]
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
