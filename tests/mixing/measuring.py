"""Measure audio for the tests of the mixer, with nothing of the mixer's own."""

from __future__ import annotations

import numpy as np
import soxr

from mixing.audio import Audio
from tests.audio_fixtures import Waveform, noise, tone

RATE_HZ = 32_000


def audio(waveform: Waveform, rate_hz: int = RATE_HZ) -> Audio:
    return Audio(waveform, rate_hz)


def sine(frequency_hz: float = 440.0, seconds: float = 1.0, **how: float) -> Audio:
    rate_hz = int(how.get("rate_hz", RATE_HZ))
    return Audio(tone(frequency_hz, seconds, rate_hz=rate_hz, peak=how.get("peak", 0.5)), rate_hz)


def hiss(seconds: float = 4.0, *, channels: int = 1, peak: float = 0.5) -> Audio:
    return Audio(noise(seconds, channels=channels, peak=peak), RATE_HZ)


def click(seconds: float = 2.0, *, channels: int = 1) -> Audio:
    waveform = np.zeros((channels, round(seconds * RATE_HZ)), np.float32)
    waveform[:, 0] = 0.5
    return Audio(waveform, RATE_HZ)


def drums(seconds: float = 6.0) -> Audio:
    """Bursts that die away, twice a second, over a quiet tone: a high crest factor, as music has it."""
    at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    bursts = noise(seconds)[0] * np.exp(-40 * (at % 0.5))
    return Audio((0.9 * bursts + 0.03 * np.sin(2 * np.pi * 220 * at)).astype(np.float32)[None], RATE_HZ)


def rms_db(samples: Waveform) -> float:
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2)))


def crest_db(samples: Waveform) -> float:
    """The peak over the mean level."""
    return float(20 * np.log10(np.abs(samples).max())) - rms_db(samples)


def true_peak_dbtp(audio: Audio) -> float:
    """By sixteen times as many samples, which is finer than the four times that the limiter looks at."""
    finer = soxr.resample(audio.samples.T.astype(np.float64), 1, 16, quality="VHQ")
    return float(20 * np.log10(np.abs(finer).max()))


def band_db(audio: Audio, low_hz: float, high_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(audio.samples[0])) ** 2
    at_hz = np.fft.rfftfreq(audio.samples.shape[1], 1 / audio.sample_rate_hz)
    return float(10 * np.log10(spectrum[(at_hz >= low_hz) & (at_hz < high_hz)].sum()))
