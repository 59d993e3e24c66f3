"""Serve POST /tasks/multi-instrument, pieces for several instruments in the native API. The mix is the whole's task."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Optional

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, create_model

from api.handlers.submit import submit_composition
from api.http.body_limits import COMPOSITION
from api.http.request_body import read_body
from api.openapi.operations import Operation, Section
from api.openapi.schemas import AudioUri, NativeError
from api.routes.tasks import WebhookEvent, from_job
from api.services.job_service import JobService
from mixing.effects import EFFECTS
from mixing.presets import PRESETS
from shared.jobs.response_schemas import TaskResponse
from shared.music.mix_spec import MOST_PARTS
from shared.music.multi_instrument import COMMON_FIELDS, EXAMPLE_BODY, PART_FIELDS
from shared.music.request import ATTRIBUTES, MusicRequest, TempoBpm, descriptions
from shared.music.request_fields import Number
from shared.webhooks.subscription import FIELDS as WEBHOOK_FIELDS


def blueprint(job_service: JobService) -> Blueprint:
    bp = Blueprint("compositions", __name__)

    @bp.post("/tasks/multi-instrument")
    def create() -> tuple[Response, int, dict[str, str]]:
        sent = read_body(request, limits=COMPOSITION, example=EXAMPLE_BODY)
        response = from_job(job_service, submit_composition(job_service, sent.fields, source="tasks"))
        return jsonify(response), 202, {"Location": response["status_url"]}

    return bp


def optional(names: Iterable[str], **described: str) -> dict[str, Any]:
    """Return fields that every request has as those of another body, which may leave each out; some described anew."""
    fields = {name: MusicRequest.model_fields[ATTRIBUTES[name]] for name in names}
    return {
        name: (
            Optional[Annotated[(field.annotation, *field.metadata)]],  # noqa: UP045 - made while it runs
            Field(None, description=described.get(name, field.description)),
        )
        for name, field in fields.items()
    }


class _Instrument(BaseModel):
    """Describe an instrument that has more to it than a prompt."""

    model_config = ConfigDict(extra="forbid")
    prompt: str = Field(description="what this instrument plays")
    follow: bool | None = Field(
        None,
        description="whether it follows the melody of the first instrument, where the model takes one; left out, all "
        "but drums, percussion and those with a melody of their own do",
    )
    melody: AudioUri | None = Field(None, description="a recording that this instrument follows")
    continue_audio: AudioUri | None = Field(None, description="a recording that its part begins with")


InstrumentBody: Any = create_model(
    "InstrumentBody",
    __base__=_Instrument,
    __doc__=_Instrument.__doc__,
    **optional(
        (name for name in PART_FIELDS if name in ATTRIBUTES and name not in _Instrument.model_fields),
        seed="left out, made from the piece's seed and the instrument's name",
    ),
)


class MixBody(BaseModel):
    """Say how the instruments are put together; the same in every dialect."""

    model_config = ConfigDict(extra="forbid")
    mix_preset: str | None = Field(None, description=f"one of {', '.join(PRESETS)}")
    levels: dict[str, Number] | None = Field(None, description="instrument -> decibels, in the preset's stead")
    panning: dict[str, Number] | None = Field(None, description="instrument -> from -1 (left) to 1 (right)")
    effects: dict[str, list[dict[str, Any]]] | None = Field(
        None, description=f"instrument -> a chain of {', '.join(EFFECTS)}, each an object with its `type` and settings"
    )
    tempo_bpm: TempoBpm | None = Field(
        None,
        description="beats a minute that all have; left out, the first prompt that names them decides, or the seed",
    )
    key: str | None = Field(None, description="such as 'A minor'; left out, as with tempo_bpm")


CompositionBody: type[BaseModel] = create_model(
    "CompositionBody",
    __base__=MixBody,
    __doc__="What POST /tasks/multi-instrument takes.",
    instruments=(dict[str, str | InstrumentBody], Field(min_length=1, max_length=MOST_PARTS)),
    webhook_url=(str | None, Field(None, description=WEBHOOK_FIELDS["webhook_url"])),
    webhook_events=(
        list[WebhookEvent] | None,
        Field(None, min_length=1, description=WEBHOOK_FIELDS["webhook_events"]),
    ),
    **optional(
        (name for name in COMMON_FIELDS if name in ATTRIBUTES),
        output_format=f"of the mix: {descriptions()['output_format']}",
        loudness="LUFS of the mix; left out, the preset's, or -16",
    ),
)


EXAMPLE = {
    "instruments": {"piano": "Jazz piano comping", "bass": "Walking bass line", "drums": "Swing pattern"},
    "duration": 8,
    "mix_preset": "jazz_club",
    "seed": 7,
}
SECTION = Section(
    "compositions",
    "Pieces for several instruments: each instrument a task of its own, and the mix, whose task is the whole.",
    [
        Operation(
            "POST",
            "/tasks/multi-instrument",
            "Make a piece for several instruments: all of it is accepted, or nothing",
            {202: TaskResponse},
            body=CompositionBody,
            example=EXAMPLE,
            submits=True,
        ),
    ],
    NativeError,
)
