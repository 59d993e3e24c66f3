"""Build the envelope of /v1/audio/music around a finished clip: its response and its webhook's body. Knows no HTTP."""

from __future__ import annotations

import os
from typing import Literal

from shared.dialects.webhook_context import WebhookContext
from shared.jobs.job import Job
from shared.jobs.response_schemas import ResponseSchema
from shared.music.catalog import PUBLISHED
from shared.version import VERSION

PATH = "/v1/audio/music"
SOURCE = "v1_audio"  # of the jobs that came through it


class Music(ResponseSchema):
    message: str
    output_url: str
    duration: float
    model_used: str
    description: str
    file_size: int
    sampling_rate: int


class MusicEnvelope(ResponseSchema):
    """Describe the finished clip."""

    endpoint: str
    code: Literal[200]
    id: str | None
    job_id: str
    response: Music
    message: str
    pid: int
    run_time: float | None
    queue_time: float
    total_time: float
    queue_length: int
    build_number: str


class FailureEnvelope(ResponseSchema):
    """Say why there is no clip; only webhooks carry it."""

    endpoint: str
    code: Literal[500]
    id: str | None
    job_id: str
    message: str
    error: str
    build_number: str


def webhook_body(context: WebhookContext) -> MusicEnvelope | FailureEnvelope:
    """Return the envelope of the document itself: its receivers know nothing of events."""
    if context.job.result is None:
        return failure_envelope(context.job)
    return music_envelope(context.job, context.audio_url, context.queue_length)


def music_envelope(job: Job, output_url: str, queue_length: int) -> MusicEnvelope:
    """Return the response for a completed job; times in seconds. `pid` is of the process that builds it."""
    result = job.result
    assert result is not None, "only a completed job has an envelope"
    return {
        "endpoint": PATH,
        "code": 200,
        "id": job.request.client_id,
        "job_id": job.id,
        "response": {
            "message": "Music generated successfully",
            "output_url": output_url,
            "duration": result.duration_s,
            "model_used": hub_name(job.model),
            "description": job.request.prompt,
            "file_size": result.bytes,
            "sampling_rate": result.sample_rate_hz,
        },
        "message": "success",
        "pid": os.getpid(),
        "run_time": job.run_time_s(0.0),
        "queue_time": job.queue_time_s(0.0),
        "total_time": job.total_time_s(0.0),
        "queue_length": queue_length,
        "build_number": VERSION,
    }


def hub_name(model: str) -> str:
    """Return the published checkpoint's full name; of any other model, its short one."""
    found = next((m.checkpoint for m in PUBLISHED if m.name == model), model)
    return found if found.startswith("facebook/") else model


def failure_envelope(job: Job) -> FailureEnvelope:
    """Return the webhook's body for a job that ended without audio."""
    reason = job.error.message if job.error else f"the task was {job.status}"
    return {
        "endpoint": PATH,
        "code": 500,
        "id": job.request.client_id,
        "job_id": job.id,
        "message": "Music generation failed",
        "error": reason,
        "build_number": VERSION,
    }
