"""Serve GET /tasks/<id>/audio: a task's audio as it is kept, or converted to another format."""

from __future__ import annotations

from flask import Blueprint
from werkzeug.wrappers import Response as AnyResponse

from api.auth.authenticate import current_auth
from api.conversion.converter import Converter
from api.handlers.audio_response import VIA, asks_for_bytes, serve_audio, serve_clip
from api.http.query import read_word
from api.openapi.operations import RANGE, Operation, audio_responses
from api.services.job_service import JobService
from shared.jobs.task_response import audio_name
from shared.music.formats import FORMATS


def blueprint(job_service: JobService, converter: Converter) -> Blueprint:
    bp = Blueprint("audio", __name__)

    @bp.get("/tasks/<task_id>/audio")
    def of_task(task_id: str) -> AnyResponse:
        name, from_here = read_word("format", tuple(FORMATS)), asks_for_bytes()
        job, result = job_service.completed(task_id, current_auth().account)
        if name is None or name == job.request.output_format:
            return serve_audio(job_service, task_id, result, audio_name(job), from_here=from_here)
        return serve_clip(converter.convert(job, result, name), f"{task_id}.{FORMATS[name].extension}")

    return bp


FORMAT = {
    "type": "string",
    "enum": list(FORMATS),
    "description": "The format to convert the kept clip to; left out, it is sent as it is",
}
OPERATION = Operation(
    "GET",
    "/tasks/<task_id>/audio",
    "getTaskAudio",
    "The audio, as it is kept or converted",
    audio_responses("The audio"),
    query={"format": FORMAT, "via": VIA},
    headers=RANGE,
    failures=(409, 416),
)
