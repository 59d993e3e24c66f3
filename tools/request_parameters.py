"""List the fields of a submission as a client has them, from the table of a request's fields and its description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from api.routes.tasks import TaskBody
from shared.music.request import FIELDS
from shared.music.request_fields import FieldSpec

ALIASES = {"output_format": "OutputFormat", "priority": "Priority", "webhook_events": "WebhookEvent"}


@dataclass(frozen=True)
class Parameter:
    """Describe one field: `schema` is that of its value, `nullable` whether null is one too."""

    name: str
    schema: Mapping[str, Any]
    nullable: bool
    description: str
    spec: FieldSpec

    @property
    def words(self) -> tuple[str, ...]:
        """Return the words that the value, or each of a list's, may be; none where it may be any."""
        return tuple(self.schema.get("items", self.schema).get("enum", ()))


def parameters(fields: Mapping[str, FieldSpec] = FIELDS, body: type[BaseModel] = TaskBody) -> Iterator[Parameter]:
    """Yield the fields of a submission, but for those for which a client has a method of its own."""
    described = body.model_json_schema()["properties"]
    for name, spec in fields.items():
        if spec.batch_refusal:
            continue
        schema = described.get(name, {})
        kinds = schema.get("anyOf", [schema])
        values = [each for each in kinds if each != {"type": "null"}]
        yield Parameter(name, values[0], len(values) < len(kinds), schema.get("description", ""), spec)
