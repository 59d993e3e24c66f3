"""Serve the AudioCraft REST API: /generate, /generate-with-melody, /generate-async, /audio/<file>.

Its /tasks/<id> and /health are the native ones, which have its fields. Errors are {"error": "text"}.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Annotated, Any, Literal

from flask import Blueprint, Response, jsonify, request
from pydantic import BeforeValidator, Field
from pydantic_core import ErrorDetails

from api.auth.authenticate import current_auth
from api.dialects.audiocraft_rest.schemas import ClipAudio, MadeClip, Started
from api.dialects.validation import Body, Integer, Number, Prompt, is_missing, message_of, read_as, read_sent
from api.handlers.audio_response import serve_blob
from api.handlers.audio_urls import audio_bytes, own, result_of
from api.handlers.submit import submit
from api.handlers.wait import await_audio, longest_wait_s
from api.http.body_limits import SINGLE_WITH_AUDIO
from api.openapi.operations import AUDIO_FILE, RANGE, Operation, Section, audio_responses
from api.openapi.schemas import AudioUri, TextError
from api.services.job_service import JobService, TaskState
from shared.errors import FieldError, InvalidRequest, LinkExpired, NotFound, OstinatoError
from shared.jobs.job import Job
from shared.jobs.response_schemas import TaskResponse
from shared.jobs.task_response import audio_name
from shared.settings import Settings

SOURCE, ASYNC_SOURCE = "audiocraft_rest", "audiocraft_rest_async"
NAMES = {"model": "model_size"}
MELODY = replace(SINGLE_WITH_AUDIO, audio=("melody",))


def _known_format(value: object) -> object:
    """Accept a format in upper and lower case; it comes back as it was sent."""
    if isinstance(value, str) and value.strip().lower() not in ("wav", "mp3", "ogg"):
        raise ValueError("unknown format")
    return value


Format = Annotated[str, BeforeValidator(_known_format), Field(json_schema_extra={"enum": ["wav", "mp3", "ogg"]})]
Size = Literal["small", "medium", "large"]


class CommonBody(Body):
    """Describe the fields that all three calls have."""

    prompt: str = ""
    model_size: Size = "small"
    duration: Number = Field(5.0, ge=1, le=30)
    temperature: Number = Field(1.0, ge=0.1, le=2)
    output_format: Format = "wav"

    def as_fields(self) -> dict[str, Any]:
        fields = self.model_dump(exclude={"model_size", "return_type", "output_format", "melody"})
        return fields | {"model": self.model_size, "output_format": self.output_format.strip().lower()}


class AsyncBody(CommonBody):
    prompt: Prompt
    top_k: Integer = Field(250, ge=0)
    top_p: Number = Field(0.0, ge=0, le=1)


class SyncBody(AsyncBody):
    return_type: Literal["url", "base64"] = "url"


class MelodyBody(CommonBody):
    melody: AudioUri
    model_size: Size = "medium"
    duration: Number = Field(10.0, ge=1, le=30)

    def as_fields(self) -> dict[str, Any]:
        return {**super().as_fields(), "melody": self.melody}  # as it came: a form's file, or what JSON had


def sentence(field: str, detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return f"Unknown field: {field}"
    if field == "prompt":
        return "Prompt is required" if is_missing(detail) else "Prompt must be a string"
    return {
        "model_size": "Invalid model size",
        "duration": "Duration must be between 1 and 30 seconds",
        "temperature": "Temperature must be between 0.1 and 2.0",
        "top_k": "top_k must be a whole number, 0 or more",
        "top_p": "top_p must be between 0 and 1",
        "output_format": "Invalid output format. Use wav, mp3 or ogg",
        "return_type": "Invalid return type. Use url or base64",
    }.get(field, f"Invalid {field}")


def blueprint(job_service: JobService, settings: Settings) -> Blueprint:
    bp = Blueprint("audiocraft_rest", __name__)

    def finished(body: CommonBody) -> TaskState:
        state = submit(job_service, body.as_fields(), source=SOURCE)
        return await_audio(job_service, state, longest_wait_s(settings))

    @bp.post("/generate", strict_slashes=True)
    def generate() -> Response:
        body = read_as(SyncBody, read_sent(request).fields, sentence)
        state = finished(body)
        if body.return_type == "base64":
            audio = base64.b64encode(audio_bytes(job_service, state)).decode()
            return jsonify(made_clip(state, body, {"audio": audio}))
        return jsonify(made_clip(state, body, {"audio_url": own(audio_path(state.job))}))

    @bp.post("/generate-with-melody")
    def generate_with_melody() -> Response:
        sent = read_sent(request, file_fields=MELODY.audio, limits=MELODY)
        fields = {**sent.fields, **sent.files}
        if fields.get("melody") is None:
            raise InvalidRequest([FieldError("melody", "No melody file provided", "", "INVALID_MELODY")])
        body = read_as(MelodyBody, fields, sentence)
        state = finished(body)
        response = jsonify(made_clip(state, body, {"audio_url": own(audio_path(state.job))}))
        if (melody := state.job.request.melody) is not None:
            response.headers["X-Melody-Seconds"] = f"{melody.seconds:.3f}"  # the body is the document's
        return response

    @bp.post("/generate-async")
    def generate_async() -> Response:
        body = read_as(AsyncBody, read_sent(request).fields, sentence)
        state = submit(job_service, body.as_fields(), source=ASYNC_SOURCE)
        response: Started = {"task_id": state.job.id, "status": "processing"}
        return jsonify(response)

    @bp.get("/audio/<name>")
    def audio(name: str) -> Response:
        state = job_service.get(name.rpartition(".")[0], current_auth().account)
        if state.job.result is None or audio_name(state.job) != name:
            raise NotFound(f"no audio file {name[:80]!r}")
        return serve_blob(job_service, result_of(state), name, attachment=True)

    return bp


def cancelled_as_failed(response: TaskResponse) -> None:
    """Change a cancelled task for the clients of /generate-async, who know no other bad end than `failed`."""
    response["status"], response["error"] = "failed", "the task was cancelled"
    response["error_code"], response["error_details"] = "CANCELLED", {}


def audio_path(job: Job) -> str:
    """Return the document's own address of a job's audio."""
    return f"/audio/{audio_name(job)}"


def made_clip(state: TaskState, body: CommonBody, audio: ClipAudio) -> MadeClip:
    result = result_of(state)
    return {
        "success": True,
        "generation_time": result.generation_time_s,
        **audio,
        "format": body.output_format,  # as it was asked for, its case included
        "sample_rate": result.sample_rate_hz,
    }


def render_error(error: OstinatoError, status: int) -> TextError:
    if status == 401 and not isinstance(error, LinkExpired):
        return {"error": "Invalid or missing API key"}
    if isinstance(error, InvalidRequest):
        own = [e for e in error.errors if e.message == "No melody file provided"]
        return {"error": own[0].message if own else message_of(error, NAMES)}
    return {"error": error.message}


EXAMPLE = {"prompt": "calm piano over soft rain", "duration": 5}
SECTION = Section(
    "audiocraft_rest",
    "The AudioCraft REST API. Its /tasks/<id> and /health are the native ones.",
    [
        Operation(
            "POST",
            "/generate",
            "audiocraftGenerate",
            "Make a clip, and wait for it",
            {200: MadeClip},
            body=SyncBody,
            example=EXAMPLE,
            submits=True,
            failures=(500,),
        ),
        Operation(
            "POST",
            "/generate-with-melody",
            "audiocraftGenerateWithMelody",
            "Make a clip that follows a melody, and wait for it",
            {200: MadeClip},
            body=MelodyBody,
            files=dict.fromkeys(MELODY.audio, AUDIO_FILE),
            submits=True,
            failures=(500,),
        ),
        Operation(
            "POST",
            "/generate-async",
            "audiocraftGenerateAsync",
            "Make a clip",
            {200: Started},
            body=AsyncBody,
            example=EXAMPLE,
            submits=True,
        ),
        Operation(
            "GET",
            "/audio/<name>",
            "audiocraftGetAudio",
            "One file",
            audio_responses("The audio", linked=False),
            headers=RANGE,
            failures=(416,),
        ),
    ],
    TextError,
)
