"""Encode a model's samples to a file's bytes: check that they are usable, set the level, write one of seven formats.

The level. audiocraft's `audio_write` moves every clip to a peak of -1 dBFS, and its examples to -14 LUFS through a
tanh; raw model output passes full scale now and then. Here a clip keeps the level that the model gave it, so
that a quiet piano stays quiet, and a clip streamed while it is decoded is as loud as its file. Only a clip whose
peak is over the ceiling is scaled down, all of it alike: nothing is ever clipped, limited or compressed. Whoever asks
for a loudness gets that one, with true peaks below -1 dB, and then only a limiter can help loud peaks. A streamed clip
comes here as it was streamed, already limited (worker/jobs/chunk_writer.py), and is written as it is.

Equal samples and tags give equal bytes, in every format. Of minutes of music a copy is many megabytes, so what can be
done block by block is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import soxr

from mixing.audio import Audio
from mixing.errors import MixError
from shared.audio.levels import Levelled, Waveform, amplitude_of, blocks_of, limit_peak, peak_of
from shared.audio.tags import Tags
from shared.audio.write import decoded_peak, write
from shared.errors import UnusableAudio
from shared.music.formats import FORMATS, AudioFormat

Write = Callable[[Levelled], bytes]

SILENCE_DBFS = -70.0
LOSSLESS_CEILING_DBFS = -0.1
# A lossy codec rounds in the frequency domain, so that peaks come out higher than they went in. 1 dB holds for
# music; what passes full scale nevertheless is seen by decoding it, and written again with more headroom.
LOSSY_CEILING_DBFS = -1.0
LOSSY_TRIES = 6
DECODED_CEILING = 0.999
LOUDNESS_TOLERANCE_LU = 0.5


@dataclass(frozen=True)
class Encoded:
    """Hold one finished file. `extension` has no dot; `gain_db` is what the peak moved by, 0 unless it had to.

    `warnings` name what was asked for and not met exactly.
    """

    data: bytes
    media_type: str
    extension: str
    sample_rate_hz: int
    channels: int
    duration_s: float
    gain_db: float
    warnings: tuple[str, ...] = ()


def check_usable(waveform: Waveform) -> None:
    """Raise UnusableAudio for a [channels, samples] waveform that is empty, not a number, or silent."""
    if waveform.ndim != 2:
        raise ValueError(f"the waveform must be [channels, samples], not {waveform.shape}")
    if not waveform.size:
        raise UnusableAudio("the model gave no samples")
    if bad := waveform.size - sum(int(np.isfinite(block).sum()) for block in blocks_of(waveform)):
        raise UnusableAudio(
            f"{bad} of {waveform.size} samples are NaN or infinite; if it happens again, try PRECISION=fp32 "
            "or a lower guidance_scale"
        )
    # The deviation, not the energy: a constant offset is silence too.
    if _deviation(waveform) < amplitude_of(SILENCE_DBFS):
        raise UnusableAudio(f"the audio is silent (below {SILENCE_DBFS:g} dBFS); try another prompt or seed")


def _deviation(waveform: Waveform) -> float:
    """Return the loudest channel's standard deviation."""
    means = waveform.mean(axis=1, dtype=np.float64, keepdims=True)  # [channels, 1]
    squares = np.zeros(len(waveform))
    for block in blocks_of(waveform):
        squares += ((block - means) ** 2).sum(axis=1)
    return math.sqrt(squares.max() / waveform.shape[1])


def encode(
    waveform: Waveform,
    sample_rate_hz: int,
    format_name: str,
    *,
    loudness_lufs: float | None = None,
    tags: Tags | None = None,
    streamed: bool = False,
    ffmpeg: str | None = None,
) -> Encoded:
    """Encode a [channels, samples] float32 waveform, at its own rate if the format has it.

    `streamed`: listeners have the samples already, so they are written as they are. `ffmpeg` is the program for the
    formats that need one.

    Raises UnusableAudio where `check_usable` does, so that no unusable audio can become a file, and FormatUnavailable.
    """
    check_usable(waveform)
    audio_format = FORMATS[format_name]
    rate_hz = audio_format.only_rate_hz or sample_rate_hz
    if rate_hz != sample_rate_hz:
        waveform = np.ascontiguousarray(soxr.resample(waveform.T, sample_rate_hz, rate_hz).T)
    leveller = _Leveller(waveform, rate_hz, loudness_lufs)
    encode_at_level = _encode_streamed if streamed else _encode_lossy if audio_format.lossy else _encode_lossless
    write_file = partial(write, sample_rate_hz=rate_hz, audio_format=audio_format, tags=tags, ffmpeg=ffmpeg)
    data, levelled = encode_at_level(leveller, audio_format, write_file)
    channels, samples = waveform.shape
    return Encoded(
        data=data,
        media_type=audio_format.media_type,
        extension=audio_format.extension,
        sample_rate_hz=rate_hz,
        channels=channels,
        duration_s=samples / rate_hz,
        gain_db=20 * math.log10(levelled.peak / peak_of(waveform)),
        warnings=leveller.warnings,
    )


class _Leveller:
    """Bring a clip to its wanted level, under whatever ceiling a codec turns out to need."""

    def __init__(self, waveform: Waveform, sample_rate_hz: int, loudness_lufs: float | None) -> None:
        self.waveform, self.sample_rate_hz, self.loudness_lufs = waveform, sample_rate_hz, loudness_lufs
        self.warnings: tuple[str, ...] = ()

    def under(self, ceiling: float) -> Levelled:
        """Return the clip with its peak at or below the ceiling (an amplitude), at the loudness if one is wanted."""
        target = self.loudness_lufs
        if target is None:
            return limit_peak(self.waveform, ceiling)
        from mixing.loudness import level_to  # brings scipy, for those who ask for a loudness

        try:
            levelled, reached = level_to(Audio(self.waveform, self.sample_rate_hz), target, 20 * math.log10(ceiling))
        except MixError as error:
            raise UnusableAudio(f"the audio cannot be brought to {target:g} LUFS: {error}") from None
        missed = abs(reached - target) > LOUDNESS_TOLERANCE_LU
        self.warnings = (f"loudness: {target:g} LUFS was asked for, {reached:.1f} reached",) if missed else ()
        return Levelled(levelled.samples)


def _encode_streamed(leveller: _Leveller, audio_format: AudioFormat, write_file: Write) -> tuple[bytes, Levelled]:
    """Encode the samples as they are; warn when a lossy file passes full scale once it is decoded."""
    levelled = Levelled(leveller.waveform)
    data = write_file(levelled)
    over = decoded_peak(data, audio_format) if audio_format.lossy else 0.0
    if over > 1.0:
        passed = f"level: once decoded, this file's peaks pass full scale by {20 * math.log10(over):.1f} dB"
        leveller.warnings = (f"{passed}: a streamed piece is not scaled",)
    return data, levelled


def _encode_lossless(leveller: _Leveller, audio_format: AudioFormat, write_file: Write) -> tuple[bytes, Levelled]:
    ceiling_dbfs = LOSSLESS_CEILING_DBFS if leveller.loudness_lufs is None else LOSSY_CEILING_DBFS
    levelled = leveller.under(amplitude_of(ceiling_dbfs))
    return write_file(levelled), levelled


def _encode_lossy(leveller: _Leveller, audio_format: AudioFormat, write_file: Write) -> tuple[bytes, Levelled]:
    """Encode so that the decoded samples stay below full scale; return the bytes and the samples they encode."""
    ceiling = amplitude_of(LOSSY_CEILING_DBFS)
    for _ in range(LOSSY_TRIES):
        levelled = leveller.under(ceiling)
        data = write_file(levelled)
        decoded = decoded_peak(data, audio_format)
        if decoded <= DECODED_CEILING:
            return data, levelled
        # a little below what proportion asks for: another level is rounded to other peaks
        ceiling = min(levelled.peak, ceiling) * 0.98 * DECODED_CEILING / decoded
    raise UnusableAudio(f"this audio cannot be written as {audio_format.name} without clipping; ask for wav or flac")
