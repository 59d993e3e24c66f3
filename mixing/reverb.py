"""Apply reverb, delay and chorus. The same input always gives the same output: the reverb's noise has a fixed seed.

Length stays what it was; the mixer's `tail_s` adds time for a tail to fade.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, oaconvolve, sosfilt

from mixing.audio import Samples
from mixing.effects import Chorus, Delay, Reverb

TREBLE_HZ = 3500.0
DULLEST = 0.85  # at full damping the treble's decay is this much shorter
NOISE_SEED = 1770
MINUS_60_DB = math.log(1000)


def apply_reverb(samples: Samples, effect: Reverb, rate_hz: int) -> Samples:
    """Convolve with decaying noise, different for each channel, so that the reverb is wide."""
    impulse = _impulse_response(effect, rate_hz, len(samples))  # [channels, taps]
    wet = oaconvolve(samples.astype(np.float64), impulse, axes=1)[:, : samples.shape[1]]
    processed: Samples = (samples * (1 - effect.wet) + wet * effect.wet).astype(np.float32)
    return processed


def _impulse_response(effect: Reverb, rate_hz: int, channels: int) -> npt.NDArray[np.float64]:
    """Build the impulse response: bass and treble decay apart, and its energy is 1, so `wet` always means the same."""
    taps = math.ceil(effect.decay_s * rate_hz)
    at_s = np.arange(taps) / rate_hz
    noise = np.random.default_rng(NOISE_SEED).standard_normal((channels, taps))
    bass, treble = (
        sosfilt(butter(8, min(TREBLE_HZ, 0.45 * rate_hz), side, fs=rate_hz, output="sos"), noise, axis=1)
        for side in ("lowpass", "highpass")
    )
    dull_s = effect.decay_s * (1 - DULLEST * effect.damping)
    fall, dull_fall = (np.exp(-MINUS_60_DB * at_s / decay_s) for decay_s in (effect.decay_s, dull_s))
    impulse = bass * fall + treble * dull_fall
    impulse /= np.sqrt((impulse**2).sum(axis=1, keepdims=True))
    return np.pad(impulse, ((0, 0), (round(effect.pre_delay_ms / 1000 * rate_hz), 0)))


def apply_delay(samples: Samples, effect: Delay, rate_hz: int) -> Samples:
    """Add echoes. The echo of an echo comes one delay later, so stretches of that length can be added at once."""
    gap = max(1, round(effect.delay_ms / 1000 * rate_hz))
    echoes = np.zeros_like(samples)
    for start in range(gap, samples.shape[1], gap):
        before = slice(start - gap, min(start, samples.shape[1] - gap))
        echoes[:, start : start + gap] = samples[:, before] + np.float32(effect.feedback) * echoes[:, before]
    return samples + np.float32(effect.wet) * echoes


def apply_chorus(samples: Samples, effect: Chorus, rate_hz: int) -> Samples:
    at = np.arange(samples.shape[1], dtype=np.float64)
    voices = []
    for index, channel in enumerate(samples):
        sway = np.sin(2 * math.pi * effect.rate_hz * at / rate_hz + index * math.pi / 2)
        delay = np.maximum(effect.centre_ms + effect.depth_ms * sway, 0.0) / 1000 * rate_hz
        voices.append(np.interp(at - delay, at, channel, left=0.0))
    return (samples * (1 - effect.wet) + np.stack(voices) * effect.wet).astype(np.float32)
