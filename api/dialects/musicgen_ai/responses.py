"""Build the responses of the Music Gen AI API: a task and a batch, in its document's words.

The document shows no response for a batch. Ours has the fields of its one clip, the batch's id as `task_id`, and the
clips beside them.
"""

from __future__ import annotations

from typing import Any

from api.handlers.audio_urls import absolute, audio_url, listed_url, result_of
from api.services.job_service import JobService, TaskState
from api.services.task_state import BatchView
from shared.jobs.job import Status
from shared.settings import Settings


def accepted(view: TaskState) -> dict[str, Any]:
    return {"task_id": view.job.id, "status": "processing", "eta": eta_s(view)}


def eta_s(view: TaskState | BatchView) -> int | None:
    """Return the whole seconds until the end; None while that is not known."""
    seconds = view.eta_s
    return None if seconds is None else max(0, round(seconds))


def state(job_service: JobService, settings: Settings, view: TaskState, *, listed: bool = False) -> dict[str, Any]:
    """Return one task. `audio_url` is absolute; `listed`: as one of many, whose audio may never be fetched."""
    job = view.job
    if job.status is Status.COMPLETED:
        result = result_of(view)
        link = (listed_url if listed else audio_url)(job_service, job, f"/tasks/{job.id}/audio")
        return {
            "task_id": job.id,
            "status": "completed",
            "audio_url": absolute(settings, link),
            "duration": result.duration_s,
            "metadata": {
                "prompt": job.request.prompt,
                "model": job.model,
                "seed": job.seed,
                "format": job.request.output_format,
                "sample_rate": result.sample_rate_hz,
                "channels": result.channels,
                "bytes": result.bytes,
                "generation_time": result.generation_time_s,
                "warnings": list(result.warnings),
                **_composed(job_service, settings, view),
            },
        }
    if job.status.ended:
        return {"task_id": job.id, "status": job.status.value} | _why(view)
    return accepted(view) | {"progress": job.progress()}


def _composed(job_service: JobService, settings: Settings, view: TaskState) -> dict[str, Any]:
    """Return what the instruments of a mix share, and a link to each one's audio; empty for any other job."""
    composition = view.job.composition
    if composition is None:
        return {}
    stems = [
        {
            "name": part.name,
            "task_id": part.task_id,
            "audio_url": absolute(settings, listed_url(job_service, part.view.job, f"/tasks/{part.task_id}/audio")),
        }
        for part in view.parts
        if part.view is not None and part.view.job.result is not None
    ]
    common = {"tempo_bpm": composition.tempo_bpm, "key": composition.key, "mix_preset": composition.mix_preset}
    return {**common, "stems": stems}


def _why(view: TaskState) -> dict[str, Any]:
    error = view.job.error
    return {} if error is None else {"error": error.as_dict()}


def batch_accepted(view: BatchView) -> dict[str, Any]:
    tasks = [{"task_id": item.job_id} | (accepted(item.view) if item.view else {}) for item in view.items]
    return _named(view) | {"status": "processing", "eta": eta_s(view), "tasks": tasks}


def batch_state(job_service: JobService, settings: Settings, view: BatchView) -> dict[str, Any]:
    """Return a batch: `tasks` in the order of the requests; of a task whose record is gone, only how it ended."""
    tasks = [
        state(job_service, settings, item.view, listed=True)
        if item.view
        else {"task_id": item.job_id, "status": item.status}
        for item in view.items
    ]
    about = {"status": view.status, "progress": view.progress, "counts": view.counts}
    return _named(view) | about | ({"eta": eta_s(view)} if view.status == "processing" else {}) | {"tasks": tasks}


def _named(view: BatchView) -> dict[str, Any]:
    return {"task_id": view.batch.id, "batch_id": view.batch.id}
