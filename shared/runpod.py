"""A job's state in RunPod's protocol: what /v2/<endpoint>/status answers and its webhook posts. Knows no HTTP.

Times in milliseconds. The audio is read only where it is told.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from shared.job import Job, Status

SOURCE = "runpod"  # of the jobs that came through it
WORDS = {
    Status.QUEUED: "IN_QUEUE",
    Status.RUNNING: "IN_PROGRESS",
    Status.COMPLETED: "COMPLETED",
    Status.FAILED: "FAILED",
    Status.CANCELLED: "CANCELLED",
}
TIMED_OUT_CODES = ("TIMEOUT", "EXPIRED")


def word(job: Job) -> str:
    """The protocol's word for a job's status."""
    if job.status is Status.FAILED and job.error is not None and job.error.code in TIMED_OUT_CODES:
        return "TIMED_OUT"
    return WORDS[job.status]


def run_state(
    job: Job, now: float, read_audio: Callable[[], bytes], remarks: Callable[[], list[str]]
) -> dict[str, Any]:
    """`read_audio` and `remarks` are called for a completed job only; what they raise passes through."""
    answer: dict[str, Any] = {"id": job.id, "status": word(job)}
    if job.started_at is not None:
        answer["delayTime"] = round(job.queue_time_s(now) * 1000)
        answer["executionTime"] = round((job.run_time_s(now) or 0.0) * 1000)
    if job.worker:
        answer["workerId"] = job.worker
    if job.status is Status.COMPLETED:
        answer["output"] = run_output(job, read_audio(), remarks())
    elif job.status is Status.FAILED and job.error is not None:
        answer["error"] = job.error.message
    return answer


def run_output(job: Job, audio: bytes, remarks: list[str]) -> dict[str, Any]:
    """The `output` of a completed job, in the words of the music model's document."""
    result = job.result
    assert result is not None, "only completed jobs have an output"
    answer = {
        "audio_base64": base64.b64encode(audio).decode(),
        "generation_time": result.generation_time_s,
        "prompt": job.request.prompt,
        "duration": result.duration_s,
        "seed": job.seed,
        "sample_rate": result.sample_rate_hz,
        "success": True,
    }
    warnings = [*remarks, *result.warnings]
    return answer | ({"warnings": warnings} if warnings else {})
