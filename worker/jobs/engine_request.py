"""Build the engine's request from a job: fields as they are, audio that it names read from storage.

What is read here was validated when the job was accepted.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from shared.errors import BlobMissing, NotFound
from shared.jobs.job import Job, Result
from shared.jobs.reader import JobReader
from shared.music.audio_refs import BeginningRef, MelodyRef
from shared.storage import Storage
from worker.audio.codes import Codes, read_codes
from worker.audio.read import read_audio, read_melody
from worker.engine.core.types import EngineInfo, EngineRequest

ROUNDING = 1e-6


def melody_of(job: Job, reader: JobReader) -> MelodyRef | Result | None:
    """Return the job's melody: an upload, or another job's audio. Raises BlobMissing."""
    if job.request.melody is not None or job.melody_of is None:
        return job.request.melody
    return _result_of(job.melody_of, reader)


def continued_of(job: Job, reader: JobReader) -> BeginningRef | None:
    """Return the audio that the job continues, also a job's that was not complete at submit. Raises BlobMissing."""
    continued = job.request.continue_from
    if continued is None or continued.key or continued.task is None:
        return continued
    result = _result_of(continued.task, reader)
    found = {"key": result.key, "codes": result.codes_key, "checkpoint": result.fingerprint.checkpoint}
    return continued.model_copy(update={**found, "sha256": result.sha256})


def _result_of(task_id: str, reader: JobReader) -> Result:
    try:
        result = reader.get(task_id).result
    except NotFound:
        result = None
    if result is None:
        raise BlobMissing(f"task {task_id}, whose audio this one needs, has none any more; submit it again")
    return result


def build_engine_request(
    job: Job, reader: JobReader, storage: Storage, info: EngineInfo, retry_s: float
) -> EngineRequest:
    """Build the engine's request.

    Raises BlobMissing when audio that it names is gone, StorageUnavailable when the store is away for `retry_s`.
    """
    request, rate_hz = job.request, info.sample_rate_hz
    melody = audio = codes = None
    if (melody_ref := melody_of(job, reader)) is not None:
        melody = read_melody(storage, melody_ref.key, melody_ref.sha256, rate_hz, retry_s)
    if (continued := continued_of(job, reader)) is not None:
        codes = codes_of(continued, request.continue_at, storage, info, retry_s)
        audio = audio_of(continued, request.continue_at, storage, info, retry_s) if codes is None else None
    return EngineRequest(
        prompt=request.prompt,
        duration_s=request.duration_s,
        temperature=request.temperature,
        top_k=request.top_k,
        top_p=request.top_p,
        guidance_scale=request.guidance_scale,
        seed=job.seed,
        melody=melody,
        melody_rate_hz=rate_hz,
        continue_from=audio,
        continue_rate_hz=rate_hz,
        continue_codes=codes,
        stream=request.stream,
    )


def codes_of(
    continued: BeginningRef, end_s: float | None, storage: Storage, info: EngineInfo, retry_s: float
) -> Codes | None:
    """Read the codes [codebooks, frames] if the weights that run here generated them: the last ones up to `end_s`.

    Raises StorageUnavailable.
    """
    if continued.codes is None or continued.checkpoint != info.checkpoint_digest:
        return None
    codes = read_codes(storage, continued.codes, retry_s)
    if codes is None:
        return None
    end = codes.shape[1] if end_s is None else _frames(end_s, info)
    return codes[:, :end][:, -_frames(continued.seconds, info) :]


def _frames(seconds: float, info: EngineInfo) -> int:
    return math.ceil(seconds * info.frame_rate_hz - ROUNDING)


def audio_of(
    continued: BeginningRef, end_s: float | None, storage: Storage, info: EngineInfo, retry_s: float
) -> npt.NDArray[np.float32]:
    """Read the audio's last seconds up to `end_s` in full frames: one padded with silence would count as an end.

    [channels, samples]
    """
    samples = read_audio(storage, continued.key, continued.sha256, info.sample_rate_hz, retry_s)
    end = samples.shape[1] if end_s is None else round(end_s * info.sample_rate_hz)
    samples = samples[:, :end]
    frame = info.sample_rate_hz / info.frame_rate_hz
    wanted = min(continued.seconds * info.sample_rate_hz, samples.shape[1])
    frames = max(1, math.floor(wanted / frame + ROUNDING))
    return samples[:, -round(frames * frame) :]
