"""Check and resample audio: samples with their rate (`Audio`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

from mixing.errors import MixError, SettingError

Samples = npt.NDArray[np.float32]

RATES_HZ = (4_000, 384_000)


@dataclass(frozen=True, eq=False)
class Audio:
    """Hold samples and their rate. Full scale is 1.0, and may be passed; one sample axis alone is mono."""

    samples: Samples  # [channels, samples]
    sample_rate_hz: int

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def duration_s(self) -> float:
        return float(self.samples.shape[1] / self.sample_rate_hz)


def check(audio: Audio, where: str) -> Audio:
    """Check audio and return it as float32 [channels, samples]. Raises MixError naming `where`, value and remedy."""
    if not isinstance(audio, Audio):
        raise _unfit(where, "send an Audio(samples, sample_rate_hz)", type(audio).__name__)
    samples = np.atleast_2d(np.asarray(audio.samples))
    if samples.dtype.kind not in "f":
        raise _unfit(where, "samples must be floats; divide 16-bit ones by 32768", str(samples.dtype))
    if samples.ndim != 2 or not 1 <= len(samples) <= 2:
        remedy = "samples must be [channels, samples] with one or two channels; transpose, or mix down"
        raise _unfit(where, remedy, str(samples.shape))
    if not samples.shape[1]:
        raise _unfit(where, "has no samples; leave it out", str(samples.shape))
    if bad := samples.size - int(np.isfinite(samples).sum()):
        raise _unfit(where, "samples are NaN or infinite; make it anew", f"{bad} of {samples.size} samples")
    rate_hz = audio.sample_rate_hz
    if not isinstance(rate_hz, int | np.integer) or not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        remedy = f"send a whole number from {RATES_HZ[0]} to {RATES_HZ[1]}"
        raise _unfit(f"{where}.sample_rate_hz", remedy, repr(rate_hz))
    return Audio(samples.astype(np.float32, copy=False), int(rate_hz))


def resample(audio: Audio, sample_rate_hz: int) -> Audio:
    """Resample to another rate: pitch and length in seconds stay."""
    if audio.sample_rate_hz == sample_rate_hz:
        return audio
    frames = soxr.resample(audio.samples.T, audio.sample_rate_hz, sample_rate_hz, quality="HQ")  # [samples, channels]
    return Audio(np.ascontiguousarray(frames.T, dtype=np.float32), sample_rate_hz)


def _unfit(where: str, remedy: str, value: str) -> MixError:
    return MixError([SettingError(where, remedy, value)])
