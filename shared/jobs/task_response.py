"""Build the response for one task, for the API and for webhooks alike. Owns the native words for a job's state.

Knows no HTTP: `base` is what stands before `/tasks` in its links, and the link to the audio is given. The fields are
those of shared/jobs/response_schemas.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.jobs.job import Fingerprint, Job, Result, Status
from shared.jobs.response_schemas import (
    ClipResult,
    FingerprintResponse,
    MixResult,
    PartResponse,
    TaskResponse,
    TaskStatus,
    UploadFields,
)
from shared.music.request import ATTRIBUTES, MusicRequest, fields_where

ECHOED = tuple((name, ATTRIBUTES[name]) for name in fields_where(lambda spec: spec.echoed))
# what decides the result and can be sent again: what was put into the prompt stands there
SENT_AGAIN = tuple(
    (name, ATTRIBUTES[name], MusicRequest.model_fields[ATTRIBUTES[name]].default)
    for name in fields_where(lambda spec: spec.decides != "task" and not spec.file and not spec.resolved)
    if name != "continue_from"
)
STATUS: Mapping[Status, TaskStatus] = {
    Status.QUEUED: "processing",
    Status.RUNNING: "processing",
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}


def task_response(
    job: Job,
    now: float,
    *,
    base: str = "",
    audio_url: str | None = None,
    position: int | None = None,
    eta_s: float | None = None,
) -> TaskResponse:
    """Return a task as it stands at `now`: `status` is processing until the end, `stage` says more.

    Without `audio_url`, the audio is at the task's own.
    """
    path = f"{base}/tasks/{job.id}"
    response = _state(job, now, path, position, job.eta_s(now) if eta_s is None else eta_s)
    _add_optional_fields(job, response)
    if job.result is not None:
        clip = _clip_result(job, job.result)
        return {**response, **clip, "audio_url": audio_url or f"{path}/audio", "result": clip}
    if job.status is Status.FAILED and job.error is not None:
        response["error"] = job.error.message
        response["error_code"] = job.error.code
        response["error_details"] = job.error.details
    return response


def _state(job: Job, now: float, path: str, position: int | None, eta_s: float | None) -> TaskResponse:
    """Return what the response of every task has."""
    return {
        "task_id": job.id,
        "status": STATUS[job.status],
        "stage": job.public_stage,
        "progress": job.progress(),
        # the last renewal was before the last step
        "current": (job.steps or 1) if job.status is Status.COMPLETED else job.step,
        "total": job.steps or 1,
        "position": position,
        "eta_s": eta_s,
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
        "status_url": path,
        "request": _request_again(job),
    }


def _add_optional_fields(job: Job, response: TaskResponse) -> None:
    """Add what only some tasks have: fields as they were sent, recordings, and what they belong to."""
    _echo(job.request, response)
    if job.title is not None:
        response["title"] = job.title
    if job.favourite:
        response["favourite"] = True
    fields: Any = response
    fields.update(_upload_fields(job.request))
    if warnings := job.request.warnings:
        response["warnings"] = warnings
    if job.batch is not None:
        response["batch_id"] = job.batch
    if job.part is not None and job.composition_id is not None:
        response["part"], response["part_of"] = job.part, job.composition_id


def add_parts(response: TaskResponse, job: Job, parts: Sequence[PartResponse]) -> TaskResponse:
    """Add to a mix's response what its parts have in common, and the parts as they are mixed, in their order."""
    mix = job.composition
    assert mix is not None, "only a mix has parts"
    response["tempo_bpm"], response["key"], response["mix_preset"] = mix.tempo_bpm, mix.key, mix.mix_preset
    response["mix_of"], response["loudness"] = mix.mix_of, mix.target_lufs(job.request.loudness)
    mixed = mix.part_settings()
    for part in parts:
        settings = mixed[part["name"]]
        part["level"], part["panning"], part["effects"] = settings.level, settings.panning, settings.effects
    response["parts"] = list(parts)
    if "result" in response:
        stems = {part["name"]: part["audio_url"] for part in parts if "audio_url" in part}
        result: MixResult = {**response["result"], "audio_url": response["audio_url"], "stems": stems}
        response["result"] = result
    return response


def part_response(name: str, task_id: str, job: Job | None, audio_url: str | None) -> PartResponse:
    """Return one part of a mix; `job` is None once its record is gone, `audio_url` while it has no audio."""
    if job is None:
        return {"name": name, "task_id": task_id, "status": "gone"}
    response: PartResponse = {
        "name": name,
        "task_id": task_id,
        "status": STATUS[job.status],
        "percent": job.progress(),
        "prompt": job.request.prompt,
        "seed": job.seed,
    }
    if audio_url is not None:
        response["audio_url"] = audio_url
    return response


def audio_name(job: Job) -> str:
    """Return what the audio is called when it is saved. Only for a job that has a result."""
    assert job.result is not None, "only a completed job has audio"
    return f"{job.id}.{job.result.key.rpartition('.')[2]}"


def _request_again(job: Job) -> dict[str, Any]:
    """Return the fields of a request that would make the same, without those that have their default."""
    request = job.request
    fields = {name: getattr(request, attribute) for name, attribute, _ in SENT_AGAIN}
    fields = {name: fields[name] for name, _, default in SENT_AGAIN if fields[name] != default} | {"seed": job.seed}
    beginning = request.continue_from
    if beginning is not None and beginning.task is not None:
        fields["continue_from"], fields["continue_seconds"] = beginning.task, request.continue_seconds
    return {name: value for name, value in fields.items() if value is not None}


def _echo(request: MusicRequest, response: TaskResponse) -> None:
    """Add the fields that stand in the response as they were sent, if they were."""
    fields: Any = response
    for name, attribute in ECHOED:
        value = getattr(request, attribute)
        if value is not None:
            fields[name] = value


def _upload_fields(request: MusicRequest) -> UploadFields:
    """Return what the audio begins with (nothing's: an upload's), and how long each upload was, before any cut."""
    fields: UploadFields = {}
    beginning = request.continue_from
    if beginning is not None:
        fields["continue_from"], fields["continued_seconds"] = beginning.task, beginning.seconds
    if request.melody is not None:
        fields["melody_seconds"] = round(request.melody.seconds, 3)
    if beginning is not None and beginning.heard_s is not None:
        fields["beginning_seconds"] = round(beginning.heard_s, 3)
    return fields


def _clip_result(job: Job, result: Result) -> ClipResult:
    return {
        "success": True,
        "filename": audio_name(job),
        "format": job.request.output_format,
        "duration": result.duration_s,
        "sample_rate": result.sample_rate_hz,
        "channels": result.channels,
        "bytes": result.bytes,
        "sha256": result.sha256,
        "generation_time": result.generation_time_s,
        "fingerprint": _fingerprint_response(result.fingerprint),
        **_upload_fields(job.request),
        "warnings": [*job.request.warnings, *result.warnings],
    }


def _fingerprint_response(made_by: Fingerprint) -> FingerprintResponse:
    return {
        "checkpoint": made_by.checkpoint,
        "engine": made_by.engine,
        "precision": made_by.precision,
        "device": made_by.device,
    }
