"""Pieces for several instruments in the native API: POST /tasks/multi-instrument. The mix is the whole's task."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field

from api.handlers.submit import submit_composition
from api.http.body_limits import COMPOSITION
from api.http.request_body import read_body
from api.openapi.builder import Operation, Section
from api.openapi.schemas import NativeError
from api.routes.tasks import WebhookEvent, from_job
from api.services.job_service import JobService
from mixing.effects import EFFECTS
from mixing.presets import PRESETS
from shared.jobs.response_schemas import TaskResponse
from shared.music.mix_spec import MOST_PARTS
from shared.music.multi_instrument import EXAMPLE as PIECE
from shared.music.request import MusicRequest, Number, Whole
from shared.music.tempo_and_key import TEMPO_BPM
from shared.webhooks.subscription import FIELDS as WEBHOOK_FIELDS

LEAST = f'{{"instruments": {PIECE}}}'


def blueprint(job_service: JobService) -> Blueprint:
    bp = Blueprint("compositions", __name__)

    @bp.post("/tasks/multi-instrument")
    def create() -> tuple[Response, int, dict[str, str]]:
        sent = read_body(request, limits=COMPOSITION, example=LEAST)
        response = from_job(job_service, submit_composition(job_service, sent.fields, source="tasks"))
        return jsonify(response), 202, {"Location": response["status_url"]}

    return bp


def about(name: str) -> Any:
    """A field of every request, as it is described there."""
    field = MusicRequest.model_fields[name]
    return Field(None, description=field.description)


class InstrumentBody(BaseModel):
    """An instrument that has more to it than a prompt."""

    model_config = ConfigDict(extra="forbid")
    prompt: str = Field(description="what this instrument plays")
    follow: bool | None = Field(
        None,
        description="whether it follows the melody of the first instrument, where the model takes one; left out, all "
        "but drums and percussion do",
    )
    seed: Whole | None = Field(None, description="left out, made from the piece's seed and the instrument's name")
    temperature: Number | None = about("temperature")
    top_k: Whole | None = about("top_k")
    top_p: Number | None = about("top_p")
    guidance_scale: Number | None = about("guidance_scale")


class MixBody(BaseModel):
    """How the instruments are put together; the same in every dialect."""

    model_config = ConfigDict(extra="forbid")
    mix_preset: str | None = Field(None, description=f"one of {', '.join(PRESETS)}")
    levels: dict[str, Number] | None = Field(None, description="instrument -> decibels, in the preset's stead")
    panning: dict[str, Number] | None = Field(None, description="instrument -> from -1 (left) to 1 (right)")
    effects: dict[str, list[dict[str, Any]]] | None = Field(
        None, description=f"instrument -> a chain of {', '.join(EFFECTS)}, each an object with its `type` and settings"
    )
    tempo_bpm: Whole | None = Field(
        None,
        ge=TEMPO_BPM[0],
        le=TEMPO_BPM[1],
        description="beats a minute that all have; left out, the first prompt that names them decides, or the seed",
    )
    key: str | None = Field(None, description="such as 'A minor'; left out, as with tempo_bpm")


class CompositionBody(MixBody):
    """What POST /tasks/multi-instrument takes."""

    instruments: dict[str, str | InstrumentBody] = Field(min_length=1, max_length=MOST_PARTS)
    duration: Number | None = about("duration_s")
    model: str | None = about("model")
    seed: Whole | None = about("seed")
    output_format: str | None = Field(
        None, description=f"of the mix: {MusicRequest.model_fields['output_format'].description}"
    )
    loudness: Number | None = Field(None, description="LUFS of the mix; left out, the preset's, or -16")
    title: str | None = about("title")
    temperature: Number | None = about("temperature")
    top_k: Whole | None = about("top_k")
    top_p: Number | None = about("top_p")
    guidance_scale: Number | None = about("guidance_scale")
    client_id: str | None = about("client_id")
    priority: str | None = about("priority")
    timeout_s: Number | None = about("timeout_s")
    ttl_s: Number | None = about("ttl_s")
    cache: bool | None = about("cache")
    webhook_url: str | None = Field(None, description=WEBHOOK_FIELDS["webhook_url"])
    webhook_events: list[WebhookEvent] | None = Field(None, min_length=1, description=WEBHOOK_FIELDS["webhook_events"])


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
