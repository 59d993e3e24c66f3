"""Apply gain and filters: equalizer bands, highpass and lowpass. After Robert Bristow-Johnson's cookbook."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.signal import sosfilt

from mixing.audio import Samples
from mixing.effects import Equalizer, Gain, Highpass, Lowpass

BUTTERWORTH_Q = math.sqrt(0.5)  # flat up to the corner, 12 dB per octave beyond
HIGHEST = 0.49  # of the sample rate: a corner above what the rate can carry changes nothing audible

Section = npt.NDArray[np.float64]


def apply_gain(samples: Samples, effect: Gain, rate_hz: int) -> Samples:
    return samples * np.float32(10 ** (effect.gain_db / 20))


def apply_equalizer(samples: Samples, effect: Equalizer, rate_hz: int) -> Samples:
    design = _peak if effect.shape == "peak" else _shelf
    return _run(samples, design(effect, rate_hz))


def apply_highpass(samples: Samples, effect: Highpass, rate_hz: int) -> Samples:
    cos, alpha = _corner(effect.frequency_hz, BUTTERWORTH_Q, rate_hz)
    return _run(samples, _section((1 + cos) / 2, -(1 + cos), (1 + cos) / 2, 1 + alpha, -2 * cos, 1 - alpha))


def apply_lowpass(samples: Samples, effect: Lowpass, rate_hz: int) -> Samples:
    cos, alpha = _corner(effect.frequency_hz, BUTTERWORTH_Q, rate_hz)
    return _run(samples, _section((1 - cos) / 2, 1 - cos, (1 - cos) / 2, 1 + alpha, -2 * cos, 1 - alpha))


def _peak(effect: Equalizer, rate_hz: int) -> Section:
    cos, alpha = _corner(effect.frequency_hz, effect.q, rate_hz)
    a = 10 ** (effect.gain_db / 40)
    return _section(1 + alpha * a, -2 * cos, 1 - alpha * a, 1 + alpha / a, -2 * cos, 1 - alpha / a)


def _shelf(effect: Equalizer, rate_hz: int) -> Section:
    """Design a shelf; the high one mirrors the low one, with the sign of the cosine turned."""
    cos, alpha = _corner(effect.frequency_hz, effect.q, rate_hz)
    a = 10 ** (effect.gain_db / 40)
    side = 1 if effect.shape == "low_shelf" else -1
    cos, bump = side * cos, 2 * math.sqrt(a) * alpha
    return _section(
        a * ((a + 1) - (a - 1) * cos + bump),
        side * 2 * a * ((a - 1) - (a + 1) * cos),
        a * ((a + 1) - (a - 1) * cos - bump),
        (a + 1) + (a - 1) * cos + bump,
        side * -2 * ((a - 1) + (a + 1) * cos),
        (a + 1) + (a - 1) * cos - bump,
    )


def _corner(frequency_hz: float, q: float, rate_hz: int) -> tuple[float, float]:
    """Return the cosine of the corner's angle, and the bandwidth's alpha."""
    angle = 2 * math.pi * min(frequency_hz, HIGHEST * rate_hz) / rate_hz
    return math.cos(angle), math.sin(angle) / (2 * q)


def _section(b0: float, b1: float, b2: float, a0: float, a1: float, a2: float) -> Section:
    return np.array([[b0, b1, b2, a0, a1, a2]]) / a0


def _run(samples: Samples, section: Section) -> Samples:
    filtered: Samples = sosfilt(section, samples.astype(np.float64), axis=1).astype(np.float32)
    return filtered
