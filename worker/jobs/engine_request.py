"""A job's request -> the engine's Piece: fields as they are, audio that it names read from storage.

Knows no record and no lease. What is read here was checked when the job was accepted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from shared.errors import BlobMissing, NotFound
from shared.jobs.job import Job, Result
from shared.jobs.reader import JobReader
from shared.music.audio_refs import BeginningRef, MelodyRef
from shared.storage import Storage
from worker.audio.codes import Codes, read_codes
from worker.audio.read import read_audio, read_melody
from worker.engine.core.types import EngineRequest

if TYPE_CHECKING:
    from worker.engine.model.info import (
        EngineInfo,  # imports audiocraft, which must not happen before its caches are set
    )

ROUNDING = 1e-6


def melody_of(job: Job, reader: JobReader) -> MelodyRef | Result | None:
    """The melody that it follows: an upload, or the audio that another job made. Raises BlobMissing."""
    if job.request.melody is not None or job.melody_of is None:
        return job.request.melody
    return _made_by(job.melody_of, reader)


def beginning_of(job: Job, reader: JobReader) -> BeginningRef | None:
    """What it goes on from, also where that had not been made when the job was accepted. Raises BlobMissing."""
    beginning = job.request.continue_from
    if beginning is None or beginning.key or beginning.task is None:
        return beginning
    made = _made_by(beginning.task, reader)
    found = {"key": made.key, "codes": made.codes_key, "checkpoint": made.fingerprint.checkpoint}
    return beginning.model_copy(update={**found, "sha256": made.sha256})


def _made_by(task_id: str, reader: JobReader) -> Result:
    try:
        result = reader.get(task_id).result
    except NotFound:
        result = None
    if result is None:
        raise BlobMissing(f"task {task_id}, whose audio this one needs, has none any more; submit it again")
    return result


def piece_of(job: Job, reader: JobReader, storage: Storage, info: EngineInfo, retry_s: float) -> EngineRequest:
    """Raises BlobMissing when audio that it names is gone, StorageUnavailable when the store is away for `retry_s`."""
    request, rate_hz = job.request, info.sample_rate_hz
    melody = audio = codes = None
    if (heard := melody_of(job, reader)) is not None:
        melody = read_melody(storage, heard.key, heard.sha256, rate_hz, retry_s)
    if (beginning := beginning_of(job, reader)) is not None:
        codes = codes_of(beginning, storage, info, retry_s)
        audio = audio_of(beginning, storage, info, retry_s) if codes is None else None
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


def codes_of(beginning: BeginningRef, storage: Storage, info: EngineInfo, retry_s: float) -> Codes | None:
    """[codebooks, frames], where the very weights that run here made them; else None. Raises StorageUnavailable."""
    if beginning.codes is None or beginning.checkpoint != info.checkpoint_digest:
        return None
    codes = read_codes(storage, beginning.codes, retry_s)
    frames = math.ceil(beginning.seconds * info.frame_rate_hz - ROUNDING)
    return None if codes is None else codes[:, -frames:]


def audio_of(beginning: BeginningRef, storage: Storage, info: EngineInfo, retry_s: float) -> npt.NDArray[np.float32]:
    """[channels, samples]: its last seconds, in whole frames: one filled up with silence would be heard as an end."""
    samples = read_audio(storage, beginning.key, beginning.sha256, info.sample_rate_hz, retry_s)
    frame = info.sample_rate_hz / info.frame_rate_hz
    wanted = min(beginning.seconds * info.sample_rate_hz, samples.shape[1])
    frames = max(1, math.floor(wanted / frame + ROUNDING))
    return samples[:, -round(frames * frame) :]
