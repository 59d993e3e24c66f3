"""Going on from audio: which of a piece's frames are given, and their codes. Runs off the decode thread.

The audio becomes codes by the model's own EnCodec, as in audiocraft's `generate_continuation`, unless it comes as such
codes already; they are the first codes of the piece, and its duration counts them too. Knows nothing of decoding.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from audiocraft.data.audio_utils import convert_audio
from audiocraft.models import MusicGen

from shared.errors import FieldError, GenerationFailed, InvalidRequest
from worker.engine.core.types import EngineRequest
from worker.engine.model.info import EngineInfo

FIELD = "continue_from"


def known_frames(piece: EngineRequest, info: EngineInfo) -> int:
    """Frames that the audio gives: as many as it begins, once it has the model's sample rate."""
    if piece.continue_codes is not None:
        return int(piece.continue_codes.shape[-1])
    if piece.continue_from is None:
        return 0
    samples = int(piece.continue_from.shape[-1]) * info.sample_rate_hz // piece.continue_rate_hz
    return math.ceil(samples * info.frame_rate_hz / info.sample_rate_hz)


def check_continuation(piece: EngineRequest, info: EngineInfo, frames: int) -> None:
    """Raises InvalidRequest for audio that a piece of so many frames cannot go on from."""
    audio, codes = piece.continue_from, piece.continue_codes
    if codes is not None:
        if audio is not None or codes.ndim != 2:
            raise _refused("is either audio or codes of [codebooks, frames]; send one of them", str(codes.shape))
    elif audio is None:
        return
    else:
        _check_audio(audio, piece.continue_rate_hz)
    known = known_frames(piece, info)
    seconds = f"{known / info.frame_rate_hz:g} s"
    if known == 0:
        raise _refused("is too short for one sample at the model's rate; send a second or more", seconds)
    if known >= frames:
        raise _refused(
            "leaves nothing to make: duration_s counts it too; send less of it, or ask for a longer duration_s", seconds
        )


def _check_audio(audio: npt.NDArray[np.float32], rate_hz: int) -> None:
    if audio.ndim not in (1, 2) or audio.size == 0:
        raise _refused("must be [samples] or [channels, samples] with at least one sample", str(audio.shape))
    if rate_hz <= 0:
        raise InvalidRequest([FieldError("continue_rate_hz", "must be positive", str(rate_hz))])
    if not np.isfinite(audio).all():
        raise _refused("holds values that are not numbers; send plain samples between -1 and 1", "nan or inf")


def encode_continuation(model: MusicGen, piece: EngineRequest, frames: int) -> torch.Tensor | None:
    """Its codes, [codebooks, frames] on the CPU; None when the piece begins from nothing."""
    if piece.continue_codes is not None:
        return _given_codes(model, piece.continue_codes)
    wave = wave_of(model, piece)
    if wave is None:
        return None
    device = next(model.compression_model.parameters()).device  # on mps it is not the model's
    with torch.inference_mode():
        codes, scale = model.compression_model.encode(wave[None].to(device))
    if scale is not None or codes.shape[-1] != frames:
        raise GenerationFailed(f"this codec made {codes.shape[-1]} frames of {FIELD}, not {frames}: do without it")
    return codes[0].cpu()


def _given_codes(model: MusicGen, codes: npt.NDArray[np.int64]) -> torch.Tensor:
    """[codebooks, frames]. Raises InvalidRequest for codes that cannot be this model's."""
    card, codebooks = model.lm.card, model.lm.num_codebooks
    if len(codes) != codebooks or codes.min() < 0 or codes.max() >= card:
        raise _refused(f"is not in this model's codes: {codebooks} codebooks of {card}; send audio", str(codes.shape))
    return torch.from_numpy(np.ascontiguousarray(codes, dtype=np.int64))


def wave_of(model: MusicGen, piece: EngineRequest) -> torch.Tensor | None:
    """The audio at the model's rate and channels, as audiocraft converts it. [channels, samples]"""
    if piece.continue_from is None:
        return None
    given = torch.tensor(np.atleast_2d(piece.continue_from), dtype=torch.float32)
    return convert_audio(given, piece.continue_rate_hz, model.sample_rate, model.audio_channels)


def _refused(message: str, value: str) -> InvalidRequest:
    return InvalidRequest([FieldError(FIELD, message, value)])
