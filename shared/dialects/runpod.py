"""Build a job's state in RunPod's protocol: the response of /v2/<endpoint>/status, and the webhook's body.

Times in milliseconds. The audio is read only where the state has it. Knows no HTTP.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from shared.dialects.runpod_notes import remarks_on
from shared.dialects.runpod_schemas import ClipOutput, RunState, RunStatus
from shared.dialects.webhook_context import WebhookContext
from shared.jobs.job import Job, Result, Status

SOURCE = "runpod"  # of the jobs that came through it
WORDS: Mapping[Status, RunStatus] = {
    Status.QUEUED: "IN_QUEUE",
    Status.RUNNING: "IN_PROGRESS",
    Status.COMPLETED: "COMPLETED",
    Status.FAILED: "FAILED",
    Status.CANCELLED: "CANCELLED",
}
# The document knows two ends, COMPLETED and FAILED; its clients tell a time-out by the first word of `error`
TIMED_OUT_CODES = ("TIMEOUT", "EXPIRED")
DOCUMENTED_FORMAT = (48_000, 2)  # rate in Hz, channels


def webhook_body(context: WebhookContext) -> RunState:
    """Return what the protocol's status route responds with, the audio in it."""
    job = context.job
    return run_state(job, context.at, context.read_audio, lambda: remarks_on(context.client, job.id))


def run_state(job: Job, now: float, read_audio: Callable[[], bytes], remarks: Callable[[], list[str]]) -> RunState:
    """Return the state; times by `now`, in UNIX seconds.

    `read_audio` and `remarks` are called for a completed job only; what they raise passes through.
    """
    state: RunState = {"id": job.id, "status": WORDS[job.status]}
    if job.started_at is not None:
        state["delayTime"] = round(job.queue_time_s(now) * 1000)
        state["executionTime"] = round((job.run_time_s(now) or 0.0) * 1000)
    if job.worker:
        state["workerId"] = job.worker
    if job.status is Status.COMPLETED:
        state["output"] = run_output(job, read_audio(), remarks())
    elif job.status is Status.FAILED and job.error is not None:
        timed_out = job.error.code in TIMED_OUT_CODES
        state["error"] = f"Timeout: {job.error.message}" if timed_out else job.error.message
    return state


def run_output(job: Job, audio: bytes, remarks: list[str]) -> ClipOutput:
    """Return the `output` of a completed job, in the words of the music model's document."""
    result = job.result
    assert result is not None, "only completed jobs have an output"
    output: ClipOutput = {
        "audio_base64": base64.b64encode(audio).decode(),
        "generation_time": result.generation_time_s,
        "prompt": job.request.prompt,
        "duration": result.duration_s,
        "seed": job.seed,
        "sample_rate": result.sample_rate_hz,
        "success": True,
    }
    if job.request.melody is not None:
        output["melody_seconds"] = round(job.request.melody.seconds, 3)
    if warnings := [*remarks, *format_warnings(result), *job.request.warnings, *result.warnings]:
        output["warnings"] = warnings
    return output


def format_warnings(result: Result) -> list[str]:
    """Return what differs from the 48 kHz stereo that the document promises."""
    if (result.sample_rate_hz, result.channels) == DOCUMENTED_FORMAT:
        return []
    channels = {1: "mono", 2: "stereo"}.get(result.channels, f"{result.channels} channels")
    return [f"the audio is {result.sample_rate_hz / 1000:g} kHz {channels}, as the model makes it, not 48 kHz stereo"]
