"""Build the responses of the Music Gen AI API: a task and a batch, in its document's words.

The document shows no response for a batch. Ours has the fields of its one clip, the batch's id as `task_id`, and the
clips beside them.
"""

from __future__ import annotations

from api.dialects.musicgen_ai.schemas import (
    Accepted,
    BatchAccepted,
    BatchEstimate,
    BatchItem,
    CompositionMetadata,
    Generation,
    GenerationBatch,
    Metadata,
    Stem,
)
from api.handlers.audio_urls import absolute, audio_url, listed_url, result_of
from api.services.job_service import JobService, TaskState
from api.services.task_state import BatchState
from shared.jobs.job import Job, Result, Status
from shared.jobs.task_response import STATUS
from shared.settings import Settings


def accepted(state: TaskState) -> Accepted:
    return {"task_id": state.job.id, "status": "processing", "eta": eta_s(state)}


def eta_s(state: TaskState | BatchState) -> int | None:
    """Return the whole seconds until the end; None while that is not known."""
    seconds = state.eta_s
    return None if seconds is None else max(0, round(seconds))


def generation_state(
    job_service: JobService, settings: Settings, state: TaskState, *, listed: bool = False
) -> Generation:
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
            "metadata": _metadata(job, result, _composition_metadata(job_service, settings, state)),
        }
    if not job.status.ended:
        return {"task_id": job.id, "status": "processing", "eta": eta_s(state), "progress": job.progress()}
    response: Generation = {"task_id": job.id, "status": STATUS[job.status]}
    if job.error is not None:
        response["error"] = {"code": job.error.code, "message": job.error.message, "details": job.error.details}
    return response


def _metadata(job: Job, result: Result, of_composition: CompositionMetadata) -> Metadata:
    return {
        "prompt": job.request.prompt,
        "model": job.model,
        "seed": job.seed,
        "format": job.request.output_format,
        "sample_rate": result.sample_rate_hz,
        "channels": result.channels,
        "bytes": result.bytes,
        "generation_time": result.generation_time_s,
        "warnings": list(result.warnings),
        **of_composition,
    }


def _composition_metadata(job_service: JobService, settings: Settings, state: TaskState) -> CompositionMetadata:
    """Return what the instruments of a mix share, and a link to each one's audio; empty for any other job."""
    composition = state.job.composition
    if composition is None:
        return {}
    stems: list[Stem] = [
        {
            "name": part.name,
            "task_id": part.task_id,
            "audio_url": absolute(settings, listed_url(job_service, part.state.job, f"/tasks/{part.task_id}/audio")),
        }
        for part in state.parts
        if part.state is not None and part.state.job.result is not None
    ]
    return {
        "tempo_bpm": composition.tempo_bpm,
        "key": composition.key,
        "mix_preset": composition.mix_preset,
        "stems": stems,
    }


def batch_accepted(state: BatchState) -> BatchAccepted:
    tasks: list[BatchItem] = [
        {**accepted(item.state)} if item.state else {"task_id": item.job_id} for item in state.items
    ]
    return {
        "task_id": state.batch.id,
        "batch_id": state.batch.id,
        "status": "processing",
        "eta": eta_s(state),
        "tasks": tasks,
    }


def batch_state(job_service: JobService, settings: Settings, state: BatchState) -> GenerationBatch:
    """Return a batch: `tasks` in the order of the requests; of a task whose record is gone, only how it ended."""
    tasks: list[Generation] = [
        generation_state(job_service, settings, item.state, listed=True)
        if item.state
        else {"task_id": item.job_id, "status": STATUS[item.status]}
        for item in state.items
    ]
    estimate: BatchEstimate = {"eta": eta_s(state)} if state.status == "processing" else {}
    return {
        "task_id": state.batch.id,
        "batch_id": state.batch.id,
        "status": state.status,
        "progress": state.progress,
        "counts": state.counts,
        **estimate,
        "tasks": tasks,
    }
