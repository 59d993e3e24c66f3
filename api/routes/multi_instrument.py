"""Serve pieces for several instruments in the native API: make one, and mix one again. A mix is its piece's task."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, Field, create_model

from api.auth.authenticate import current_auth
from api.handlers.submit import submit_composition, submit_remix
from api.http.body_limits import COMPOSITION, MIX
from api.http.query import read_word
from api.http.request_body import read_body
from api.openapi.composition_schemas import InstrumentBody, MixBody, MixSettings, PartMix, TaskMix, optional
from api.openapi.operations import Operation, Section
from api.openapi.schemas import NativeError
from api.routes.tasks import WebhookEvent, from_job
from api.services.job_service import JobService
from mixing.presets import PRESETS
from shared.jobs.response_schemas import TaskResponse
from shared.music.mix_spec import MOST_PARTS
from shared.music.multi_instrument import COMMON_FIELDS, EXAMPLE_BODY
from shared.music.remix import EXAMPLE_BODY as REMIX_BODY
from shared.music.remix import NO_PRESET, OWN_FIELDS
from shared.music.request import ATTRIBUTES, descriptions
from shared.webhooks.subscription import FIELDS as WEBHOOK_FIELDS

PRESET_WORDS = (*PRESETS, NO_PRESET)
PRESET_QUERY = f"as it would be by this preset, {NO_PRESET} for without one; left out, as the piece is mixed"


def blueprint(job_service: JobService) -> Blueprint:
    bp = Blueprint("compositions", __name__)

    @bp.post("/tasks/multi-instrument")
    def create() -> tuple[Response, int, dict[str, str]]:
        sent = read_body(request, limits=COMPOSITION, example=EXAMPLE_BODY)
        response = from_job(job_service, submit_composition(job_service, sent.fields, source="tasks"))
        return jsonify(response), 202, {"Location": response["status_url"]}

    @bp.post("/tasks/<task_id>/mix")
    def mix(task_id: str) -> tuple[Response, int, dict[str, str]]:
        sent = read_body(request, limits=MIX, example=REMIX_BODY)
        response = from_job(job_service, submit_remix(job_service, task_id, sent.fields, source="tasks"))
        return jsonify(response), 202, {"Location": response["status_url"]}

    @bp.get("/tasks/<task_id>/mix")
    def settings(task_id: str) -> Response:
        preset = read_word("mix_preset", PRESET_WORDS)
        mix, loudness = job_service.remixes.settings(task_id, current_auth().account, preset)
        parts: list[PartMix] = [
            {"name": name, "level": part.level, "panning": part.panning, "effects": part.effects}
            for name, part in mix.part_settings().items()
        ]
        response: TaskMix = {
            "task_id": task_id,
            "mix_preset": mix.mix_preset,
            "loudness": loudness,
            "parts": parts,
            "bus": mix.bus(),
        }
        return jsonify(response)

    return bp


WEBHOOK: dict[str, Any] = {
    "webhook_url": (str | None, Field(None, description=WEBHOOK_FIELDS["webhook_url"])),
    "webhook_events": (
        list[WebhookEvent] | None,
        Field(None, min_length=1, description=WEBHOOK_FIELDS["webhook_events"]),
    ),
}
CompositionBody: type[BaseModel] = create_model(
    "CompositionBody",
    __base__=MixBody,
    __doc__="What POST /tasks/multi-instrument takes.",
    instruments=(dict[str, str | InstrumentBody], Field(min_length=1, max_length=MOST_PARTS)),
    **WEBHOOK,
    **optional(
        (name for name in COMMON_FIELDS if name in ATTRIBUTES),
        output_format=f"of the mix: {descriptions()['output_format']}",
        loudness="LUFS of the mix; left out, the preset's, or -16",
    ),
)
RemixBody: type[BaseModel] = create_model(
    "RemixBody",
    __base__=MixSettings,
    __doc__="What POST /tasks/<task_id>/mix takes: left out is as the piece has it, null the default.",
    **WEBHOOK,
    **optional(
        (name for name in OWN_FIELDS if name in ATTRIBUTES),
        cache="true, or false to have it mixed anew",
        loudness="LUFS of the mix; null is the preset's, or -16",
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
            "submitMultiInstrument",
            "Make a piece for several instruments: all of it is accepted, or nothing",
            {202: TaskResponse},
            body=CompositionBody,
            example=EXAMPLE,
            submits=True,
        ),
        Operation(
            "POST",
            "/tasks/<task_id>/mix",
            "remixTask",
            "Mix a piece again from its kept stems, without making music anew: a task of its own",
            {202: TaskResponse},
            body=RemixBody,
            example=json.loads(REMIX_BODY),
            submits=True,
            failures=(409,),
        ),
        Operation(
            "GET",
            "/tasks/<task_id>/mix",
            "getTaskMix",
            "How a piece is mixed, or would be by another preset alone",
            {200: TaskMix},
            query={"mix_preset": {"type": "string", "enum": list(PRESET_WORDS), "description": PRESET_QUERY}},
            failures=(409,),
        ),
    ],
    NativeError,
)
