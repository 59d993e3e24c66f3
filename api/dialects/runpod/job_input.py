"""Read what RunPod's protocol sends into native fields: the envelope, its policy, and the document's `input`.

A body without a usable envelope is a 400; what is wrong inside `input` is a job that FAILED.
"""

from __future__ import annotations

from typing import Any

from flask import request
from pydantic import Field
from pydantic_core import ErrorDetails

from api.dialects.validation import (
    Body,
    Integer,
    Number,
    Prompt,
    Refused,
    is_missing,
    or_leave_it_out,
    read_as,
    read_sent,
)
from api.http.body_limits import SINGLE_WITH_AUDIO
from api.openapi.schemas import AudioUri
from shared.errors import FieldError, InvalidRequest
from shared.music.catalog import Model
from shared.music.request_limits import MIN_DURATION_S

LEAST = '{"input": {"prompt": "calm piano"}}'
STEPS_WARNING = "num_inference_steps={} has no meaning for MusicGen, which makes one step per 20 ms; it was left out"


class RunInput(Body):
    prompt: Prompt = Field(description="Text description of the music to generate")
    duration: Number = Field(30.0, ge=1, le=240, description="Length of generated audio in seconds")
    guidance_scale: Number = Field(8.0, ge=1, le=20, description="Adherence to the prompt")
    num_inference_steps: Integer = Field(20, ge=10, le=100, description="Denoising steps, of models that have such")
    seed: Integer | None = Field(None, ge=0, description="For reproducible results")
    melody: AudioUri | None = Field(None, description="A recording to follow")
    continue_audio: AudioUri | None = Field(None, description="A recording that the music begins with")
    continue_seconds: Number | None = Field(None, ge=MIN_DURATION_S, description="Seconds of its end to go on from")

    def as_fields(self) -> dict[str, Any]:
        return self.model_dump(exclude={"num_inference_steps"}, exclude_none=True)


class RunPolicy(Body):
    """Times in milliseconds."""

    executionTimeout: Integer | None = Field(None, ge=1000)  # noqa: N815 - the protocol's own names
    ttl: Integer | None = Field(None, ge=1000)
    lowPriority: bool = False  # noqa: N815

    def as_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"priority": "low"} if self.lowPriority else {}
        if self.executionTimeout is not None:
            fields["timeout_s"] = self.executionTimeout / 1000
        if self.ttl is not None:
            fields["ttl_s"] = self.ttl / 1000
        return fields


class RunBody(Body):
    """Describe the envelope; `read_wanted` reads it by hand, because what is wrong in `input` is no 400."""

    input: RunInput
    webhook: str | None = None
    policy: RunPolicy | None = None


def sentence(field: str, detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return f"Unknown parameter: {field}"
    if field == "prompt":
        return "Invalid prompt: provide a descriptive text prompt" if is_missing(detail) else "Invalid prompt: not text"
    ranges = {
        "duration": "a number from 1.0 to 240.0",
        "guidance_scale": "a number from 1.0 to 20.0",
        "num_inference_steps": "a whole number from 10 to 100",
        "seed": "a whole number from 0 up",
        "continue_seconds": f"a number from {MIN_DURATION_S} up",
        "executionTimeout": "a whole number of milliseconds from 1000",
        "ttl": "a whole number of milliseconds from 1000",
        "lowPriority": "true or false",
    }
    found, remedy = repr(detail["input"])[:60], or_leave_it_out(field)
    return f"Parameter out of range: {field} must be {ranges.get(field, 'valid')} (got {found}){remedy}"


def read_wanted(model: Model) -> tuple[dict[str, Any], str]:
    """Return the native fields of this request, and a remark. Raises BadEnvelope (a 400), or Refused for `input`."""
    body, policy = _read_envelope()
    wanted = read_as(RunInput, body["input"], sentence)
    fields = wanted.as_fields() | policy.as_fields() | {"model": model.name}
    if "duration" not in wanted.model_fields_set:
        fields["duration"] = min(wanted.duration, model.max_duration_s)
    if body.get("webhook") is not None:
        fields["webhook_url"] = body["webhook"]
    steps = wanted.num_inference_steps
    return fields, STEPS_WARNING.format(steps) if "num_inference_steps" in wanted.model_fields_set else ""


def _read_envelope() -> tuple[dict[str, Any], RunPolicy]:
    """Return the body and its policy. Raises BadEnvelope."""
    try:
        body = read_sent(request, limits=SINGLE_WITH_AUDIO, example=LEAST).fields
    except InvalidRequest as error:
        raise BadEnvelope(error.errors[0].field, error.errors[0].message) from error
    if not isinstance(body.get("input"), dict):
        raise BadEnvelope("input", f"is missing or no object; send {LEAST}")
    if unknown := body.keys() - {"input", "webhook", "policy"}:
        raise BadEnvelope(sorted(unknown)[0][:60], "is not served; send input, webhook and policy only")
    if not isinstance(asked := body.get("policy") or {}, dict):
        raise BadEnvelope("policy", 'must be an object such as {"lowPriority": true}')
    try:
        return body, read_as(RunPolicy, asked, sentence)
    except Refused as error:
        raise BadEnvelope("policy", error.message) from None


class BadEnvelope(InvalidRequest):
    """Fail the call: what is around `input` cannot be used."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__([FieldError(field, message)])
