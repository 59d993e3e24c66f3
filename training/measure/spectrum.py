"""Compute spectra with numpy alone, as librosa does, value for value: importing librosa takes longer than all measures.

A wave is [samples], a spectrum [bins, frames]; frame t is centred on sample t x hop.
"""

from typing import Literal

import numpy as np

LEAST_POWER, RANGE_DB = 1e-10, 80.0


def stft(wave: np.ndarray, size: int, hop: int, *, padding: Literal["constant", "reflect"] = "constant") -> np.ndarray:
    """Transform frames under a periodic Hann window. -> [size / 2 + 1, frames], complex"""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    padded = np.pad(np.asarray(wave, np.float32), size // 2, mode=padding)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    return np.asarray(np.fft.rfft(frames * window.astype(np.float32)).T)


def decibels(power: np.ndarray, reference: float = 1.0) -> np.ndarray:
    """Return a power in dB of the reference, cut 80 dB below its loudest."""
    level = 10 * np.log10(np.maximum(LEAST_POWER, power)) - 10 * np.log10(max(LEAST_POWER, reference))
    return np.asarray(np.maximum(level, level.max() - RANGE_DB))


def mel_of_hz(hz: np.ndarray) -> np.ndarray:
    """Return Slaney's mel: linear to 1000 Hz, logarithmic above."""
    return np.where(hz < 1000, hz * 3 / 200, 15 + np.log(np.maximum(hz, 1000) / 1000) * 27 / np.log(6.4))


def hz_of_mel(mel: np.ndarray) -> np.ndarray:
    """Return the frequency of Slaney's mel."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def mel_bank(rate_hz: int, size: int, bands: int, highest_hz: float) -> np.ndarray:
    """Build triangles of equal area, equally far apart in mel from 0 Hz up. -> [bands, size / 2 + 1]"""
    corners = hz_of_mel(np.linspace(0, mel_of_hz(np.asarray(highest_hz)), bands + 2))
    hz = np.arange(size // 2 + 1) * rate_hz / size
    rising = (hz - corners[:-2, None]) / np.diff(corners)[:-1, None]
    falling = (corners[2:, None] - hz) / np.diff(corners)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(triangles * (2 / (corners[2:] - corners[:-2]))[:, None])


def mel_power(wave: np.ndarray, rate_hz: int, *, size: int, hop: int, bands: int, highest_hz: float) -> np.ndarray:
    """Measure the power in mel bands. -> [bands, frames]"""
    return np.asarray(mel_bank(rate_hz, size, bands, highest_hz) @ np.abs(stft(wave, size, hop)) ** 2)
