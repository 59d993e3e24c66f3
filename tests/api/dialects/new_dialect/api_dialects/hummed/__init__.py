"""Serve three routes, which the application knows nothing of until a test puts this folder beside the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from flask import Blueprint, Response, jsonify, request
from pydantic import Field
from pydantic_core import ErrorDetails

from api.auth.authenticate import current_auth
from api.auth.path_rules import PathRules
from api.dialects.dialect import Dialect, Services
from api.dialects.validation import Body, Prompt, message_of, read_as, read_sent
from api.handlers.submit import submit
from api.openapi.operations import Operation, Section
from api.openapi.schemas import ResponseSchema
from shared.errors import InvalidRequest, OstinatoError

PREFIX = "/tasks/hummed"  # below the native API's own, so that the longer path has to decide
State = Literal["thinking", "humming", "hummed", "silent"]
STATES: Mapping[str, State] = {"queued": "thinking", "running": "humming", "completed": "hummed"}


class HumBody(Body):
    wish: Prompt = Field(description="What to hum")
    call_me: str | None = Field(None, description="Where the end is posted")


class Hum(ResponseSchema):
    """Describe a hum as it stands now."""

    hum: str
    state: State


class HumUsage(ResponseSchema):
    """Say how hums are asked for."""

    usage: str


class HumError(ResponseSchema):
    """Say what was wrong."""

    wrong: str
    status: int


def sentence(field: str, detail: ErrorDetails) -> str:
    return f"hums know no {field}" if detail["type"] == "extra_forbidden" else f"no hum with such a {field}"


def blueprints(services: Services) -> list[Blueprint]:
    bp, jobs = Blueprint("hummed", __name__, url_prefix=PREFIX), services.job_service

    @bp.post("/hums")
    def begin() -> tuple[Response, int]:
        body = read_as(HumBody, read_sent(request).fields, sentence)
        fields = {"prompt": body.wish, "duration": 1} | ({"webhook_url": body.call_me} if body.call_me else {})
        response: Hum = {"hum": submit(jobs, fields, source="hummed").job.id, "state": "thinking"}
        return jsonify(response), 202

    @bp.post("/hums/<hum_id>")
    def state(hum_id: str) -> Response:
        status = jobs.get(hum_id, current_auth().account).job.status
        response: Hum = {"hum": hum_id, "state": STATES.get(status, "silent")}
        return jsonify(response)

    @bp.get("/usage")
    def usage() -> Response:
        response: HumUsage = {"usage": f"POST {PREFIX}/hums"}
        return jsonify(response)

    return [bp]


def render_error(error: OstinatoError, status: int) -> HumError:
    wrong = message_of(error, {"prompt": "wish"}) if isinstance(error, InvalidRequest) else error.message
    return {"wrong": wrong, "status": status}


SECTION = Section(
    "hummed",
    "Hums.",
    [
        Operation(
            "POST",
            f"{PREFIX}/hums",
            "hummedHum",
            "Hum",
            {202: Hum},
            body=HumBody,
            example={"wish": "a sea"},
            submits=True,
        ),
        Operation("POST", f"{PREFIX}/hums/<hum_id>", "hummedGetHum", "One hum", {200: Hum}),
        Operation("GET", f"{PREFIX}/usage", "hummedDescribe", "How hums are asked for", {200: HumUsage}, alone=True),
    ],
    HumError,
)
DIALECT = Dialect(
    name="hummed",
    blueprints=blueprints,
    sections=(SECTION,),
    render_error=render_error,
    paths=(f"{PREFIX}/",),
    path_rules=PathRules(open_paths=frozenset({f"{PREFIX}/usage"})),
)
