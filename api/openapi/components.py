"""Make the components of the OpenAPI description: the schemas of all bodies and responses, under public names.

Owns their names: a class's own, and for what comes as a form, that of its body with Form in the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter

from api.openapi.operations import Media, Operation, Schema, Section
from api.openapi.request_schemas import BINARY as BINARY
from api.openapi.request_schemas import REF, as_sent, bounded, component_of, discriminated, form_of, reached_from
from shared.jobs.response_schemas import BatchStatus, TaskStatus
from shared.music.priority import Priority
from shared.music.request import OutputFormat
from shared.webhooks.subscription import EVENTS

# words that stand in many places: one type each in a generated client
ENUMERATIONS: Mapping[str, tuple[str, ...]] = {
    "OutputFormat": get_args(OutputFormat),
    "Priority": get_args(Priority),
    "WebhookEvent": EVENTS,
    "TaskStatus": get_args(TaskStatus),
    "BatchStatus": get_args(BatchStatus),
}


@dataclass(frozen=True)
class Components:
    """Hold the `schemas` by their names, and how each class and each body's form is referred to."""

    schemas: dict[str, Any]
    references: Mapping[Schema, Mapping[str, Any]]

    def reference(self, schema: Schema) -> Mapping[str, Any]:
        return self.references[schema]

    def one_of(self, schemas: Sequence[Schema]) -> Mapping[str, Any]:
        """Return the schema, or what one of them is to be told from the others by."""
        found = [self.references[schema] for schema in schemas]
        return found[0] if len(found) == 1 else discriminated(found, self.schemas)

    def form(self, body: type[BaseModel]) -> Mapping[str, Any]:
        return {"$ref": REF.format(model=form_name(component_of(self.references[body])))}


def make_components(sections: Sequence[Section]) -> Components:
    """Return all components. Raises ValueError where two classes have one name: a module's path would be in it."""
    ordered = sorted(_found_in(sections), key=lambda schema: schema.__qualname__)
    references, definitions = TypeAdapter.json_schemas(
        [(index, "validation", TypeAdapter(schema)) for index, schema in enumerate(ordered)], ref_template=REF
    )
    schemas = {name: {"type": "string", "enum": list(words)} for name, words in ENUMERATIONS.items()}
    schemas |= _with_named_words(bounded(definitions["$defs"]))
    components = Components(schemas, {schema: references[index, "validation"] for index, schema in enumerate(ordered)})
    if odd := [name for name in components.schemas if not name.isalnum()]:
        raise ValueError(f"two classes of one name, or one that is no public word: {', '.join(odd)}; rename one")
    _describe_requests(_operations(sections), components)
    return components


def _with_named_words(schema: Any) -> Any:
    """Return a schema that refers to the enumerations which it has."""
    if isinstance(schema, list):
        return [_with_named_words(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _with_named_words(value) for key, value in schema.items()}
    for name, words in ENUMERATIONS.items():
        if schema.get("enum") == list(words):
            rest = {key: value for key, value in found.items() if key not in ("enum", "type")}
            return {"$ref": REF.format(model=name), **rest}
    return found


def _describe_requests(operations: Sequence[Operation], components: Components) -> None:
    """Describe bodies as they are sent, and add their forms."""
    schemas = components.schemas
    taking = [(each, component_of(components.references[each.body])) for each in operations if each.body is not None]
    for name in {name for _, body in taking for name in reached_from(body, schemas)}:
        schemas[name] = as_sent(schemas[name])
    for operation, body in taking:
        if operation.files:
            schemas[form_name(body)] = form_of(schemas[body], operation.files)


def form_name(body: str) -> str:
    return f"{body.removesuffix('Body')}Form"


def _operations(sections: Sequence[Section]) -> list[Operation]:
    return [operation for section in sections for operation in section.operations]


def _found_in(sections: Sequence[Section]) -> set[Schema]:
    found: set[Schema] = {schema for section in sections for schema in (section.error, section.webhook) if schema}
    for operation in _operations(sections):
        found |= {schema for schema in (operation.body, operation.error) if schema}
        found |= {schema for response in operation.responses.values() for schema in schemas_of(response)}
    return found


def schemas_of(response: Schema | Media | tuple[Schema, ...]) -> tuple[Schema, ...]:
    """Return what a response may be, as far as that has a schema."""
    if isinstance(response, Media):
        return response.items
    return response if isinstance(response, tuple) else (response,)
