"""Serve the S.Rocks.Music API: POST /generate/, GET /files/, GET /files/<name>. Errors are {"detail": "text"}.

Its GET / is the native index.
"""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify, request
from pydantic import Field
from pydantic_core import ErrorDetails

from api.auth.authenticate import current_auth
from api.dialects.srocks.schemas import DetailError, MadeFile, StoredFile, StoredFileList
from api.dialects.srocks.stored_files import StoredFiles, file_name, stamp
from api.dialects.validation import Body, Number, Prompt, is_missing, message_of, read_as, read_sent
from api.handlers.audio_response import serve_blob
from api.handlers.audio_urls import own, result_of
from api.handlers.submit import submit
from api.handlers.wait import await_audio, longest_wait_s
from api.http.query import read_number
from api.openapi.operations import RANGE, Operation, Section, audio_responses, integer
from api.services.job_service import JobService, TaskState
from shared.errors import InvalidRequest, OstinatoError
from shared.settings import Settings

SOURCE = "srocks"
LEAST = '{"text": "calm piano"}'
NAMES = {"prompt": "text"}


class TextBody(Body):
    text: Prompt = Field(description="Description of the desired music")
    duration: Number = Field(10, ge=1, le=30, description="Length in seconds")
    guidance_scale: Number = Field(3.0, ge=0, le=10, description="Text adherence; 0 is unconditional")
    temperature: Number = Field(1.0, ge=0, le=2, description="Randomness; 0 is greedy")


def sentence(field: str, detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return f"unknown parameter: {field}"
    if field == "text":
        return "text is required" if is_missing(detail) else "text must be a string"
    return {
        "duration": "duration must be a number from 1 to 30",
        "guidance_scale": "guidance_scale must be a number from 0 to 10",
        "temperature": "temperature must be a number from 0 to 2",
    }.get(field, f"invalid {field}")


def blueprint(job_service: JobService, files: StoredFiles, settings: Settings) -> Blueprint:
    bp = Blueprint("srocks", __name__)

    @bp.post("/generate/")
    def generate() -> Response:
        body = read_as(TextBody, read_sent(request, example=LEAST).fields, sentence)
        fields = body.model_dump(exclude={"text"}) | {"prompt": body.text}
        state = submit(job_service, fields, source=SOURCE)
        files.add(state.job)
        job = await_audio(job_service, state, longest_wait_s(settings)).job
        files.trim(job.account)
        response: MadeFile = {
            "file_url": own(f"/files/{file_name(job)}"),
            "duration": int(body.duration) if body.duration == int(body.duration) else body.duration,
            "timestamp": stamp(job),
            "prompt": job.request.prompt,
        }
        return jsonify(response)

    @bp.get("/files/")
    def listing() -> Response:
        limit, skip = read_number("limit", 50, 1, 100), read_number("skip", 0, 0, 10**9)
        states = files.all(current_auth().account)[: settings.max_stored_files]
        return jsonify([_entry(state) for state in states[skip : skip + limit]])

    @bp.get("/files/<name>")
    def download(name: str) -> Response:
        return serve_blob(job_service, result_of(files.find(name, current_auth().account)), name)

    return bp


def _entry(state: TaskState) -> StoredFile:
    name = file_name(state.job)
    return {
        "filename": name,
        "url": own(f"/files/{name}"),
        "created_at": datetime.fromtimestamp(state.job.created_at, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "size_kb": round(result_of(state).bytes / 1024, 1),
    }


def render_error(error: OstinatoError, status: int) -> DetailError:
    return {"detail": message_of(error, NAMES) if isinstance(error, InvalidRequest) else error.message}


SKIP = integer(0, 0, 10**9)
SECTION = Section(
    "srocks",
    "The S.Rocks.Music API.",
    [
        Operation(
            "POST",
            "/generate/",
            "srocksGenerate",
            "Make a clip, and wait for it",
            {200: MadeFile},
            body=TextBody,
            example={"text": "lo-fi music with a soothing melody", "duration": 10},
            submits=True,
            failures=(500,),
        ),
        Operation(
            "GET",
            "/files/",
            "srocksListFiles",
            "The last files",
            {200: StoredFileList},
            query={"limit": integer(50, 1, 100), "skip": SKIP},
        ),
        Operation(
            "GET",
            "/files/<name>",
            "srocksGetFile",
            "One file",
            audio_responses("The audio", linked=False),
            headers=RANGE,
            failures=(416,),
        ),
    ],
    DetailError,
)
