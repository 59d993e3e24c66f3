"""What a piece is to a model: how many frames it takes, whether it can be made, and what is made otherwise than asked.

For any engine; knows nothing of how one works.
"""

from __future__ import annotations

import math

from shared.errors import FieldError, InvalidMelody, InvalidRequest
from worker.engine.core.types import EngineRequest
from worker.engine.model.continuation import check_continuation
from worker.engine.model.info import EngineInfo


def frames_of(piece: EngineRequest, info: EngineInfo) -> int:
    """Frames that cover the piece's samples."""
    return math.ceil(round(piece.duration_s * info.sample_rate_hz) * info.frame_rate_hz / info.sample_rate_hz)


def check_piece(piece: EngineRequest, info: EngineInfo) -> None:
    """Raises InvalidRequest or InvalidMelody for a piece that this model cannot make."""
    if not (math.isfinite(piece.duration_s) and frames_of(piece, info) > 0):
        raise InvalidRequest([FieldError("duration_s", "must be a positive time", str(piece.duration_s))])
    check_continuation(piece, info, frames_of(piece, info))
    if piece.melody is None:
        return
    if not info.melody:
        raise InvalidMelody("this model takes no melody; leave it out, or use a melody model")
    if piece.melody.ndim != 1 or piece.melody.size == 0:
        raise InvalidMelody("must be mono with at least one sample", value=str(piece.melody.shape))


def warnings_for(piece: EngineRequest, codebook_size: int) -> tuple[str, ...]:
    """What this model does otherwise than asked."""
    if piece.top_k <= codebook_size:
        return ()
    return (f"top_k {piece.top_k} is more than the codebook's size; {codebook_size} was used",)
