"""Build the responses of the Music Gen AI API: a task and a batch, in its document's words.

The document shows no response for a batch. Ours has the fields of its one clip, the batch's id as `task_id`, and the
clips beside them.
"""

from __future__ import annotations

from typing import Any

from api.handlers.audio_urls import absolute, audio_url, listed_url, result_of
from api.services.job_service import JobService, TaskState
from api.services.task_state import BatchState
from shared.jobs.job import Status
from shared.settings import Settings


def accepted(state: TaskState) -> dict[str, Any]:
    return {"task_id": state.job.id, "status": "processing", "eta": eta_s(state)}


def eta_s(state: TaskState | BatchState) -> int | None:
    """Return the whole seconds until the end; None while that is not known."""
    seconds = state.eta_s
    return None if seconds is None else max(0, round(seconds))


def generation_state(
    job_service: JobService, settings: Settings, state: TaskState, *, listed: bool = False
) -> dict[str, Any]:
    """Return one task. `audio_url` is absolute; `listed`: as one of many, whose audio may never be fetched."""
    job = state.job
    if job.status is Status.COMPLETED:
        result = result_of(state)
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
                **_composed(job_service, settings, state),
            },
        }
    if job.status.ended:
        return {"task_id": job.id, "status": job.status.value} | _why(state)
    return accepted(state) | {"progress": job.progress()}


def _composed(job_service: JobService, settings: Settings, state: TaskState) -> dict[str, Any]:
    """Return what the instruments of a mix share, and a link to each one's audio; empty for any other job."""
    composition = state.job.composition
    if composition is None:
        return {}
    stems = [
        {
            "name": part.name,
            "task_id": part.task_id,
            "audio_url": absolute(settings, listed_url(job_service, part.state.job, f"/tasks/{part.task_id}/audio")),
        }
        for part in state.parts
        if part.state is not None and part.state.job.result is not None
    ]
    common = {"tempo_bpm": composition.tempo_bpm, "key": composition.key, "mix_preset": composition.mix_preset}
    return {**common, "stems": stems}


def _why(state: TaskState) -> dict[str, Any]:
    error = state.job.error
    return {} if error is None else {"error": error.as_dict()}


def batch_accepted(state: BatchState) -> dict[str, Any]:
    tasks = [{"task_id": item.job_id} | (accepted(item.state) if item.state else {}) for item in state.items]
    return _named(state) | {"status": "processing", "eta": eta_s(state), "tasks": tasks}


def batch_state(job_service: JobService, settings: Settings, state: BatchState) -> dict[str, Any]:
    """Return a batch: `tasks` in the order of the requests; of a task whose record is gone, only how it ended."""
    tasks = [
        generation_state(job_service, settings, item.state, listed=True)
        if item.state
        else {"task_id": item.job_id, "status": item.status}
        for item in state.items
    ]
    about = {"status": state.status, "progress": state.progress, "counts": state.counts}
    return _named(state) | about | ({"eta": eta_s(state)} if state.status == "processing" else {}) | {"tasks": tasks}


def _named(state: BatchState) -> dict[str, Any]:
    return {"task_id": state.batch.id, "batch_id": state.batch.id}
