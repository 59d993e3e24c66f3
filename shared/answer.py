"""One task as GET /tasks/<id> tells it, for the API and for webhooks alike. Owns the native answer's fields and words.

Knows no HTTP: `base` is what stands before `/tasks` in its links, and the link to the audio is given.
"""

from __future__ import annotations

from typing import Any

from shared.job import Job, Status

WORDS = {Status.QUEUED: "processing", Status.RUNNING: "processing"}


def task_answer(
    job: Job,
    now: float,
    *,
    base: str = "",
    audio_url: str | None = None,
    position: int | None = None,
    eta_s: float | None = None,
) -> dict[str, Any]:
    """`status` is processing until the end; `stage` tells more. Without `audio_url`, the audio is at the task's own."""
    return {
        "task_id": job.id,
        "status": WORDS.get(job.status, job.status.value),
        "stage": job.stage if not job.status.ended else job.status.value,
        "progress": job.progress(),
        "current": job.step,
        "total": job.steps or 1,
        "position": position,
        "eta_s": job.eta_s(now) if eta_s is None else eta_s,
        "model": job.model,
        "seed": job.seed,
        "prompt": job.request.prompt,
        "output_format": job.request.output_format,
        "client_id": job.request.client_id,
        "attempts": job.attempt,
        "created_at": job.created_at,
        "queue_time": job.queue_time_s(now),
        "run_time": job.run_time_s(now),
        "total_time": job.total_time_s(now),
        "status_url": f"{base}/tasks/{job.id}",
        **({"batch_id": job.batch} if job.batch is not None else {}),
    } | _ending(job, audio_url or f"{base}/tasks/{job.id}/audio")


def audio_name(job: Job) -> str:
    """What the audio is called when it is saved. Only for a job that has a result."""
    assert job.result is not None, "only a completed job has audio"
    return f"{job.id}.{job.result.key.rpartition('.')[2]}"


def _ending(job: Job, audio_url: str) -> dict[str, Any]:
    result = job.result
    if result is not None:
        outcome = {
            "success": True,
            "filename": audio_name(job),
            "format": job.request.output_format,
            "duration": result.duration_s,
            "sample_rate": result.sample_rate_hz,
            "channels": result.channels,
            "bytes": result.bytes,
            "sha256": result.sha256,
            "generation_time": result.generation_time_s,
            "fingerprint": dict(vars(result.fingerprint)),
            "warnings": list(result.warnings),
        }
        return {**outcome, "audio_url": audio_url, "result": outcome}
    if job.status is Status.FAILED and job.error is not None:
        return {"error": job.error.message, "error_code": job.error.code, "error_details": job.error.details}
    return {}
