"""Serve /v1/audio/music: one call that returns an envelope around the finished clip, or 202 and a webhook later."""

from __future__ import annotations

import os
from typing import Any, Literal

from flask import Blueprint, Response, jsonify, request
from pydantic import Field
from pydantic_core import ErrorDetails

from api.dialects.v1_audio.schemas import MusicAccepted, MusicError, MusicUsage
from api.dialects.validation import Body, Number, Prompt, is_missing, message_of, read_as, read_sent
from api.handlers.audio_urls import absolute, audio_url
from api.handlers.submit import submit
from api.handlers.wait import JobFailed, StillRunning, await_audio, longest_wait_s
from api.http.request_state import request_state
from api.openapi.operations import Operation, Section
from api.services.job_service import JobService, TaskState
from shared.dialects.v1_audio import PATH, SOURCE, MusicEnvelope, music_envelope
from shared.errors import FieldError, InvalidRequest, OstinatoError, QueueFull, UnsupportedBody
from shared.jobs.job import new_id
from shared.settings import Settings
from shared.version import VERSION

LEAST = '{"description": "calm piano"}'
NAMES = {"prompt": "description", "model": "model_size", "client_id": "id"}


class MusicBody(Body):
    description: Prompt = Field(description="Text description of the music to generate")
    duration: Number = Field(8, ge=1, le=30, description="Duration in seconds (max 30)")
    model_size: Literal["small", "medium", "large"] = Field("small", description="Model size to use")
    output_format: Literal["wav", "mp3"] = Field("wav", description="Output audio format")
    webhook_url: str | None = Field(None, description="Where the answer is posted when the music is done")
    id: str | None = Field(None, max_length=200, description="Your own identifier, found again in the answer")

    def as_fields(self) -> dict[str, Any]:
        fields = {
            "prompt": self.description,
            "duration": self.duration,
            "model": self.model_size,
            "output_format": self.output_format,
            "client_id": self.id,
            "webhook_url": self.webhook_url,
        }
        return {name: value for name, value in fields.items() if value is not None}


def sentence(field: str, detail: ErrorDetails) -> str:
    """Return what the document says of a bad parameter."""
    if detail["type"] == "extra_forbidden":
        return f"Unknown parameter: {field}"
    if field == "description":
        missing = is_missing(detail)
        return "Missing required parameter: description" if missing else "Invalid description. Must be a string"
    if field == "duration":
        return {
            "less_than_equal": "Duration cannot exceed 30 seconds",
            "greater_than_equal": "Duration must be at least 1 second",
        }.get(detail["type"], "Invalid duration. Must be a number of seconds from 1 to 30")
    return {
        "model_size": "Invalid model_size. Must be 'small', 'medium', or 'large'",
        "output_format": "Invalid output_format. Must be 'wav' or 'mp3'",
        "webhook_url": "Invalid webhook_url. Must be an http or https URL",
        "id": "Invalid id. Must be a string of at most 200 characters",
    }.get(field, f"Invalid {field}")


def blueprint(job_service: JobService, settings: Settings) -> Blueprint:
    bp = Blueprint("v1_audio", __name__)

    @bp.post(PATH)
    def generate() -> tuple[Response, int]:
        sent = fields_sent()
        request_state().client_id = (sent["id"] or None) if isinstance(sent.get("id"), str) else None
        body = read_as(MusicBody, sent, sentence)
        state = submit(job_service, body.as_fields(), source=SOURCE)
        if body.webhook_url is not None:
            return jsonify(accepted(job_service, settings, state)), 202
        done = await_audio(job_service, state, longest_wait_s(settings))
        url = absolute(settings, audio_url(job_service, done.job, f"/tasks/{done.job.id}/audio"))
        return jsonify(music_envelope(done.job, url, waiting(job_service, done.job.model))), 200

    @bp.get(PATH)
    def describe() -> Response:
        return jsonify(DESCRIPTION)

    return bp


def fields_sent() -> dict[str, Any]:
    """Return the body's fields. A body of another kind is a 400 in this document, which knows no 415."""
    try:
        return read_sent(request, example=LEAST).fields
    except UnsupportedBody as error:
        raise InvalidRequest([FieldError("body", error.message)]) from error


def accepted(job_service: JobService, settings: Settings, state: TaskState) -> MusicAccepted:
    return {
        "code": 202,
        "id": state.job.request.client_id,
        "job_id": state.job.id,
        "message": "processing",
        "pid": os.getpid(),
        "queue_length": waiting(job_service, state.job.model),
        "max_queue_length": settings.max_queue_length,
        "build_number": VERSION,
    }


def waiting(job_service: JobService, model: str) -> int:
    """Return how many jobs wait in the model's queue."""
    return job_service.queues().get(model, 0)


def render_error(error: OstinatoError, status: int) -> MusicError:
    if isinstance(error, QueueFull):
        return {
            "code": 429,
            "id": request_state().client_id,
            "job_id": new_id(),  # the document's shape; no job stands behind it
            "message": f"MAX_QUEUE_LENGTH ({error.details['max_queue_length']}) reached",
            "pid": os.getpid(),
            "queue_length": error.details["queue_length"],
            "build_number": VERSION,
        }
    if status == 401:
        return {"code": 401, "message": "Unauthorized"}
    if isinstance(error, InvalidRequest):
        return {"code": status, "message": message_of(error, NAMES)}
    if isinstance(error, JobFailed | StillRunning) or status == 500:
        return {"code": status, "message": "Music generation failed", "error": error.message}
    return {"code": status, "message": error.message}


DESCRIPTION: MusicUsage = {
    "endpoint": PATH,
    "method": "POST",
    "description": "Generate music from text descriptions using Meta's MusicGen model",
    "parameters": {
        "description": {"type": "string", "required": True, "description": "Text description of the music to generate"},
        "duration": {
            "type": "integer",
            "required": False,
            "default": 8,
            "max": 30,
            "description": "Duration in seconds (max 30)",
        },
        "model_size": {
            "type": "string",
            "required": False,
            "default": "small",
            "options": ["small", "medium", "large"],
            "description": "Model size to use",
        },
        "output_format": {
            "type": "string",
            "required": False,
            "default": "wav",
            "options": ["wav", "mp3"],
            "description": "Output audio format",
        },
    },
    "examples": [
        {"description": "lo-fi music with a soothing melody", "duration": 8, "model_size": "small"},
        {"description": "upbeat electronic dance music", "duration": 15, "model_size": "medium"},
    ],
}


SECTION = Section(
    "v1_audio",
    "/v1/audio/music: an envelope around the finished clip, at once or by webhook.",
    [
        Operation(
            "POST",
            PATH,
            "v1AudioGenerate",
            "Make a clip, and wait for it or be told by webhook",
            {200: MusicEnvelope, 202: MusicAccepted},
            body=MusicBody,
            example={"description": "lo-fi music with a soothing melody", "duration": 8, "model_size": "small"},
            submits=True,
            failures=(500,),
        ),
        Operation("GET", PATH, "v1AudioDescribe", "How it is used", {200: MusicUsage}, alone=True),
    ],
    MusicError,
)
