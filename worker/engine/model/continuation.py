"""Encode the audio that a request continues to the clip's first codes. Runs off the decode thread.

The audio becomes codes by the model's own EnCodec, as in audiocraft's `generate_continuation`, unless it comes as such
codes already; they are the first codes of the clip, and its duration counts them too.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch

from shared.errors import FieldError, GenerationFailed, InvalidRequest
from worker.engine.core.types import EngineInfo, EngineRequest
from worker.engine.imports.audiocraft import MusicGen, convert_audio

FIELD = "continue_from"


def known_frames(request: EngineRequest, info: EngineInfo) -> int:
    """Count the frames that the audio gives: as many as it begins, once it has the model's sample rate."""
    if request.continue_codes is not None:
        return int(request.continue_codes.shape[-1])
    if request.continue_from is None:
        return 0
    samples = int(request.continue_from.shape[-1]) * info.sample_rate_hz // request.continue_rate_hz
    return math.ceil(samples * info.frame_rate_hz / info.sample_rate_hz)


def check_continuation(request: EngineRequest, info: EngineInfo, frames: int) -> None:
    """Raise InvalidRequest for audio that a clip of so many frames cannot continue."""
    audio, codes = request.continue_from, request.continue_codes
    if codes is not None:
        if audio is not None or codes.ndim != 2:
            raise _refused("is either audio or codes of [codebooks, frames]; send one of them", str(codes.shape))
    elif audio is None:
        return
    else:
        _check_audio(audio, request.continue_rate_hz)
    known = known_frames(request, info)
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


def encode_continuation(model: MusicGen, request: EngineRequest, frames: int) -> torch.Tensor | None:
    """Encode the audio to codes, [codebooks, frames] on the CPU; None when the request continues nothing.

    Raises InvalidRequest for codes that are not this model's, GenerationFailed for a codec that cannot do it.
    """
    if request.continue_codes is not None:
        return _given_codes(model, request.continue_codes)
    wave = wave_of(model, request)
    if wave is None:
        return None
    device = next(model.compression_model.parameters()).device  # on mps it is not the model's
    with torch.inference_mode():
        codes, scale = model.compression_model.encode(wave[None].to(device))
    if scale is not None or codes.shape[-1] != frames:
        raise GenerationFailed(f"this codec made {codes.shape[-1]} frames of {FIELD}, not {frames}: do without it")
    return codes[0].cpu()


def _given_codes(model: MusicGen, codes: npt.NDArray[np.int64]) -> torch.Tensor:
    """Return given codes as a tensor [codebooks, frames]. Raises InvalidRequest for codes that are not this model's."""
    card, codebooks = model.lm.card, model.lm.num_codebooks
    if len(codes) != codebooks or codes.min() < 0 or codes.max() >= card:
        raise _refused(f"is not in this model's codes: {codebooks} codebooks of {card}; send audio", str(codes.shape))
    return torch.from_numpy(np.ascontiguousarray(codes, dtype=np.int64))


def wave_of(model: MusicGen, request: EngineRequest) -> torch.Tensor | None:
    """Convert the audio to the model's rate and channels, as audiocraft does. [channels, samples]"""
    if request.continue_from is None:
        return None
    given = torch.tensor(np.atleast_2d(request.continue_from), dtype=torch.float32)
    return convert_audio(given, request.continue_rate_hz, model.sample_rate, model.audio_channels)


def _refused(message: str, value: str) -> InvalidRequest:
    return InvalidRequest([FieldError(FIELD, message, value)])
