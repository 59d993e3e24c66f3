"""Write clients/js/src/responses.d.ts: the types of the API's responses, by the package's own names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

# component of the description -> the package's name for it
NAMES = {
    "FingerprintResponse": "Fingerprint",
    "ClipResult": "ClipResult",
    "MixResult": "MixResult",
    "PartResponse": "Part",
    "TaskResponse": "TaskState",
    "GoneTask": "GoneTask",
    "PartMix": "PartMix",
    "TaskMix": "TaskMix",
    "ShareResponse": "Share",
    "BatchCounts": "BatchCounts",
    "BatchResponse": "BatchState",
    "NamedModel": "Model",
    "ModelVocabulary": "Vocabulary",
    "ModelRunner": "ModelRunner",
    "ListedModel": "CatalogModel",
    "Models": "Catalog",
    "System": "Machine",
    "LiveWorker": "LiveWorker",
    "DecoderSandbox": "DecoderSandbox",
    "Health": "Health",
    "TaskWebhook": "WebhookPayload",
    "QueuedData": "QueuedData",
    "StartedData": "StartedData",
    "ProgressData": "ProgressData",
    "RequeuedData": "RequeuedData",
    "GoneData": "GoneData",
}
# those of /admin/api; the Python package has them too, in a file for each of the two
ADMIN_NAMES = {
    "AdminWorker": "AdminWorker",
    "WorkerDrain": "WorkerDrain",
    "ModelQueue": "ModelQueue",
    "AccountLoad": "AccountLoad",
    "AdminQueue": "AdminQueue",
    "MinutePoint": "MinutePoint",
    "AdminTask": "AdminTask",
    "AdminTaskPage": "AdminTaskPage",
    "StoryEntry": "StoryEntry",
    "TaskAttempt": "TaskAttempt",
    "DeliveryAttempt": "DeliveryAttempt",
    "DeliveryResponse": "Delivery",
    "AdminTaskStory": "AdminTaskStory",
    "DeadLetter": "DeadLetter",
}
ACCESS_NAMES = {
    "KeyLimits": "KeyLimits",
    "KeyUse": "KeyUse",
    "AdminKey": "AdminKey",
    "AdminKeys": "AdminKeyPage",
    "CreatedKey": "CreatedKey",
    "DisabledKey": "DisabledKey",
    "AuditEntryResponse": "AuditEntry",
    "AuditPage": "AuditPage",
}
ALL_NAMES = NAMES | ADMIN_NAMES | ACCESS_NAMES
EVENTS = ("QueuedEvent", "StartedEvent", "ProgressEvent", "RequeuedEvent", "EndedEvent", "GoneEvent")
HEAD = """\
// Written by tools/generate_client_types.py from the API's description; do not edit.

"""
EVENT_OF = """\
export interface EventOf<Type extends string, Data> {
  type: Type;
  /** Null for a position, which is the state of the moment. */
  id: string | null;
  data: Data;
}
"""
PRIMITIVES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def typescript_types(components: Mapping[str, Schema]) -> str:
    """Return the text of the file."""
    types = [_declaration(name, components[component], components) for component, name in ALL_NAMES.items()]
    return HEAD + "\n".join([*types, EVENT_OF, _events(components)])


def _declaration(name: str, schema: Schema, components: Mapping[str, Schema]) -> str:
    lines = [*_comment(schema, ""), f"export type {name} = {{"]
    required = schema.get("required", [])
    for field, field_schema in schema["properties"].items():
        lines += _comment(field_schema, "  ")
        optional = "" if field in required else "?"
        lines.append(f"  {field}{optional}: {_type(field_schema, components)};")
    return "\n".join([*lines, "};", ""])


def _events(components: Mapping[str, Schema]) -> str:
    """Return the union of all events, told apart by `type`."""
    arms = []
    for event in EVENTS:
        fields = components[event]["properties"]
        data = _type(fields["data"]["contentSchema"], components)
        arms.append(f"  | EventOf<{_type(fields['event'], components)}, {data}>")
    return "\n".join(["export type TaskEvent =", *arms]) + ";\n"


def _comment(schema: Schema, indent: str) -> list[str]:
    text = " ".join(schema.get("description", "").split())
    return [f"{indent}/** {text[:1].upper()}{text[1:]} */"] if text else []


def _type(schema: Schema, components: Mapping[str, Schema]) -> str:
    """Return the type of a field. Raises KeyError for a schema of a kind that no response has had so far."""
    if "$ref" in schema:
        component = schema["$ref"].rpartition("/")[2]
        return _type(components[component], components) if "enum" in components[component] else ALL_NAMES[component]
    if "const" in schema or "enum" in schema:
        return " | ".join(_literal(value) for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " | ".join(_type(each, components) for each in schema["anyOf"])
    if schema["type"] == "array":
        item = _type(schema["items"], components)
        return f"({item})[]" if "|" in item else f"{item}[]"
    if schema["type"] == "object":
        values = schema["additionalProperties"]
        return f"Record<string, {'unknown' if values is True else _type(values, components)}>"
    return PRIMITIVES[schema["type"]]


def _literal(value: object) -> str:
    return json.dumps(value).replace('"', "'")
