"""Serve the native API's /tasks/batch: many requests in one call, polled and cancelled as one."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field

from api.auth.authenticate import current_auth
from api.handlers.submit import submit_batch
from api.http.body_limits import BATCH_WITH_AUDIO
from api.http.request_body import read_body
from api.openapi.operations import Operation, Section
from api.openapi.schemas import NativeError
from api.routes.tasks import ClipBody, from_batch
from api.services.batch_request import LEAST_BATCH, MOST_REQUESTS, read_requests
from api.services.job_service import JobService
from shared.jobs.response_schemas import BatchResponse


def blueprint(job_service: JobService) -> Blueprint:
    bp = Blueprint("batches", __name__)

    @bp.post("/tasks/batch")
    def create() -> tuple[Response, int, dict[str, str]]:
        requests = read_requests(read_body(request, limits=BATCH_WITH_AUDIO, example=LEAST_BATCH).fields)
        response = from_batch(job_service, submit_batch(job_service, requests, source="tasks"))
        return jsonify(response), 202, {"Location": response["status_url"]}

    @bp.get("/tasks/batch/<batch_id>")
    def status(batch_id: str) -> Response:
        return jsonify(from_batch(job_service, job_service.batches.get(batch_id, current_auth().account)))

    @bp.delete("/tasks/batch/<batch_id>")
    def cancel(batch_id: str) -> Response:
        return jsonify(from_batch(job_service, job_service.batches.cancel(batch_id, current_auth().account)))

    return bp


class BatchBody(BaseModel):
    """Describe what POST /tasks/batch takes."""

    model_config = ConfigDict(extra="forbid")
    requests: list[ClipBody] = Field(min_length=1, max_length=MOST_REQUESTS)


SECTION = Section(
    "batches",
    "Many requests in one call.",
    [
        Operation(
            "POST",
            "/tasks/batch",
            "submitBatch",
            "Make many clips: all of them are accepted, or none",
            {202: BatchResponse},
            body=BatchBody,
            example={"requests": [{"prompt": "calm piano"}, {"prompt": "fast drums", "duration": 4}]},
            submits=True,
        ),
        Operation("GET", "/tasks/batch/<batch_id>", "getBatch", "A batch and its tasks", {200: BatchResponse}),
        Operation(
            "DELETE",
            "/tasks/batch/<batch_id>",
            "cancelBatch",
            "Cancel all of it that has not ended",
            {200: BatchResponse},
        ),
    ],
    NativeError,
)
