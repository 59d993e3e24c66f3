"""Read files back that Ostinato wrote: any of its formats, as samples at their own rate."""

from __future__ import annotations

import io

import numpy as np
import soundfile

from shared.audio.aac import read_aac
from shared.audio.levels import Waveform
from shared.music.formats import FORMATS

AAC_EXTENSIONS = frozenset(each.extension for each in FORMATS.values() if each.needs_ffmpeg)


def decode(data: bytes, extension: str) -> tuple[Waveform, int]:
    """Return the samples of a file of ours, [channels, samples], and their rate. `extension` has no dot."""
    if extension in AAC_EXTENSIONS:
        return read_aac(data)
    samples, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples.T), int(rate_hz)
