"""The envelope around a finished clip that /v1/audio/music answers with, and that its webhook posts. Knows no HTTP."""

from __future__ import annotations

import os
from typing import Any

from shared.jobs.job import Job
from shared.music.catalog import PUBLISHED
from shared.version import VERSION

PATH = "/v1/audio/music"
SOURCE = "v1_audio"  # of the jobs that came through it


def music_envelope(job: Job, output_url: str, queue_length: int) -> dict[str, Any]:
    """The answer for a completed job; times in seconds. `pid` is of the process that tells it."""
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
    """The published checkpoint's full name; a model of one's own by its short one."""
    found = next((m.checkpoint for m in PUBLISHED if m.name == model), model)
    return found if found.startswith("facebook/") else model


def failure_envelope(job: Job) -> dict[str, Any]:
    """What the webhook posts for a job that ended without audio."""
    reason = job.error.message if job.error else f"the task was {job.status}"
    told = {"endpoint": PATH, "code": 500, "id": job.request.client_id, "job_id": job.id}
    return told | {"message": "Music generation failed", "error": reason, "build_number": VERSION}
