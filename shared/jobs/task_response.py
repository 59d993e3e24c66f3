"""One task as GET /tasks/<id> tells it, for the API and for webhooks alike. Owns the native answer's fields and words.

Knows no HTTP: `base` is what stands before `/tasks` in its links, and the link to the audio is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.jobs.job import Job, Status
from shared.music.mix_spec import MixSpec
from shared.music.request import MusicRequest

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
        "stage": job.told_stage,
        "progress": job.progress(),
        # the last renewal was before the last step
        "current": (job.steps or 1) if job.status is Status.COMPLETED else job.step,
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
        **_continued(job),
        **_heard(job.request),
        **({"batch_id": job.batch} if job.batch is not None else {}),
        **({"part": job.part, "part_of": job.whole} if job.whole is not None else {}),
    } | _ending(job, audio_url or f"{base}/tasks/{job.id}/audio")


def composed(answer: dict[str, Any], composition: MixSpec, parts: Sequence[PartOutcome]) -> dict[str, Any]:
    """The answer for the mix of a composition, with what is told of its parts, in the order of the instruments."""
    told: dict[str, Any] = {
        "tempo_bpm": composition.tempo_bpm,
        "key": composition.key,
        "mix_preset": composition.mix_preset,
        "parts": [part.as_dict() for part in parts],
    }
    if (outcome := answer.get("result")) is not None:
        stems = {part.name: part.audio_url for part in parts if part.audio_url is not None}
        told["result"] = outcome | {"audio_url": answer["audio_url"], "stems": stems}
    return answer | told


@dataclass(frozen=True)
class PartOutcome:
    """One part of a composition; `job` is None once its record is gone, `audio_url` while it has no audio."""

    name: str
    task_id: str
    job: Job | None
    audio_url: str | None

    def as_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"name": self.name, "task_id": self.task_id}
        if self.job is None:
            return told | {"status": "gone"}
        told |= {"status": WORDS.get(self.job.status, self.job.status.value), "percent": self.job.progress()}
        told |= {"prompt": self.job.request.prompt, "seed": self.job.seed}
        return told | ({} if self.audio_url is None else {"audio_url": self.audio_url})


def audio_name(job: Job) -> str:
    """What the audio is called when it is saved. Only for a job that has a result."""
    assert job.result is not None, "only a completed job has audio"
    return f"{job.id}.{job.result.key.rpartition('.')[2]}"


def _continued(job: Job) -> dict[str, Any]:
    """What the audio begins with: whose it is (nothing: an upload's), and how many seconds of it there are."""
    beginning = job.request.continue_from
    return {} if beginning is None else {"continue_from": beginning.task, "continued_seconds": beginning.seconds}


def _heard(request: MusicRequest) -> dict[str, Any]:
    """How long each upload was, in seconds and before any cut, and what was odd about it."""
    told: dict[str, Any] = {}
    warnings: list[str] = []
    if request.melody is not None:
        told["melody_seconds"] = round(request.melody.seconds, 3)
        warnings += [f"melody: {warning}" for warning in request.melody.warnings]
    beginning = request.continue_from
    if beginning is not None and beginning.heard_s is not None:
        told["beginning_seconds"] = round(beginning.heard_s, 3)
        warnings += [f"continue_audio: {warning}" for warning in beginning.warnings]
    return told | ({"warnings": warnings} if warnings else {})


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
            **_continued(job),
            **(heard := _heard(job.request)),
            "warnings": [*heard.get("warnings", ()), *result.warnings],
        }
        return {**outcome, "audio_url": audio_url, "result": outcome}
    if job.status is Status.FAILED and job.error is not None:
        return {"error": job.error.message, "error_code": job.error.code, "error_details": job.error.details}
    return {}
