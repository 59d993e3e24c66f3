"""Validate a request against a model: how many frames it takes, whether it can be served, and with which warnings.

For any engine.
"""

from __future__ import annotations

import math

from shared.errors import FieldError, InvalidMelody, InvalidRequest
from worker.engine.core.types import EngineInfo, EngineRequest
from worker.engine.model.continuation import check_continuation


def frames_of(request: EngineRequest, info: EngineInfo) -> int:
    """Count the frames that cover the clip's samples."""
    return math.ceil(round(request.duration_s * info.sample_rate_hz) * info.frame_rate_hz / info.sample_rate_hz)


def check_request(request: EngineRequest, info: EngineInfo) -> None:
    """Raise InvalidRequest or InvalidMelody for a request that this model cannot serve."""
    if not (math.isfinite(request.duration_s) and frames_of(request, info) > 0):
        raise InvalidRequest([FieldError("duration_s", "must be a positive time", str(request.duration_s))])
    check_continuation(request, info, frames_of(request, info))
    if request.melody is None:
        return
    if not info.melody:
        raise InvalidMelody("this model takes no melody; leave it out, or use a melody model")
    if request.melody.ndim != 1 or request.melody.size == 0:
        raise InvalidMelody("must be mono with at least one sample", value=str(request.melody.shape))


def warnings_for(request: EngineRequest, codebook_size: int) -> tuple[str, ...]:
    """Warn of what this model does otherwise than asked."""
    if request.top_k <= codebook_size:
        return ()
    return (f"top_k {request.top_k} is more than the codebook's size; {codebook_size} was used",)
