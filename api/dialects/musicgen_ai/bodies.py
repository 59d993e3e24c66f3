"""Define what callers of the Music Gen AI API send, and the sentences by which it is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from pydantic import Field, create_model
from pydantic_core import ErrorDetails

from api.dialects.validation import Body, Integer, Number, Prompt, Refused, is_missing, or_leave_it_out, read_as
from api.openapi.composition_schemas import InstrumentBody, MixBody
from api.services.batch_request import MOST_REQUESTS, in_item
from shared.errors.field_errors import Faults
from shared.music.mix_spec import MOST_PARTS
from shared.music.request import OutputFormat


class CommonBody(Body):
    """Describe the fields that a clip and a piece for several instruments have."""

    duration: Number = Field(30.0, gt=0, description="Seconds of music")
    temperature: Number = Field(1.0, ge=0, le=2)
    top_k: Integer = Field(250, ge=0)
    top_p: Number = Field(0.0, ge=0, le=1)
    model: str | None = Field(None, description="One of GET /models")
    guidance_scale: Number = Field(3.0, ge=0, le=20)
    seed: Integer | None = Field(None, ge=0)
    output_format: str = Field("wav", json_schema_extra={"enum": list(get_args(OutputFormat))})

    def as_fields(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class GenerateBody(CommonBody):
    prompt: Prompt = Field(description="What to hear")


def sentence(field: str, detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return f"Unknown field: {field}"
    if field == "prompt":
        return "Prompt cannot be empty" if is_missing(detail) else "Prompt must be a string"
    found = detail["msg"][:1].lower() + detail["msg"][1:]
    return f"{field}: {found} (got {repr(detail['input'])[:60]}){or_leave_it_out(field)}"


class MultiInstrumentFields(CommonBody):
    """Read a piece: instruments, duration and mix_preset are the document's, the rest ours, validated later."""

    instruments: dict[str, Any]
    mix_preset: str | None = None
    levels: dict[str, Any] | None = None
    panning: dict[str, Any] | None = None
    effects: dict[str, Any] | None = None
    tempo_bpm: Integer | None = None
    key: str | None = None


_DESCRIBED: dict[str, Any] = {
    "instruments": (
        dict[str, str | InstrumentBody],
        Field(min_length=1, max_length=MOST_PARTS, description="Instrument -> what it plays"),
    ),
    **{name: (field.annotation, field) for name, field in MixBody.model_fields.items()},
}
MultiInstrumentBody = create_model(
    "MultiInstrumentBody", __base__=CommonBody, __doc__="What POST /api/v1/multi-instrument takes.", **_DESCRIBED
)


class GenerateBatchBody(Body):
    requests: list[GenerateBody] = Field(min_length=1, max_length=MOST_REQUESTS)


def read_batch(requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Validate each request. Raises Refused with the document's sentence for each bad field of each of them."""
    bodies, faults = [], Faults()
    for index, each in enumerate(requests):
        try:
            bodies.append(read_as(GenerateBody, each, sentence).as_fields())
        except Refused as refused:
            named = in_item(index, refused.errors)
            faults.add([replace(e, message=f"requests[{index}]: {e.message}") for e in named], refused.more)
    if faults:
        raise Refused(faults.listed, faults.more)
    return bodies
