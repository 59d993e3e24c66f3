"""Build the envelope of /v1/audio/music around a finished clip: its response and its webhook's body. Knows no HTTP."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from shared.dialects.webhook_context import WebhookContext
from shared.jobs.job import Job
from shared.music.catalog import PUBLISHED
from shared.version import VERSION

PATH = "/v1/audio/music"
SOURCE = "v1_audio"  # of the jobs that came through it


def webhook_body(context: WebhookContext) -> Mapping[str, Any]:
    """Return the envelope of the document itself: its receivers know nothing of events."""
    if context.job.result is None:
        return failure_envelope(context.job)
    return music_envelope(context.job, context.audio_url, context.queue_length)


def music_envelope(job: Job, output_url: str, queue_length: int) -> dict[str, Any]:
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


def failure_envelope(job: Job) -> dict[str, Any]:
    """Return the webhook's body for a job that ended without audio."""
    reason = job.error.message if job.error else f"the task was {job.status}"
    head = {"endpoint": PATH, "code": 500, "id": job.request.client_id, "job_id": job.id}
    return head | {"message": "Music generation failed", "error": reason, "build_number": VERSION}
