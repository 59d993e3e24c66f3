"""Apply the compressor and the true-peak limiter. Both channels get one gain, so that the stereo image stays.

Both follow the "decoupled" detector of Giannoulis, Massberg and Reiss (2012): the wanted reduction is released first,
and then smoothed. Releasing by a constant share is a running maximum in disguise, so no loop over samples: max over k
of x[k] * a^(n-k) is a^n * max of x[k] / a^k.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr
from scipy.ndimage import maximum_filter1d
from scipy.signal import lfilter

from mixing.audio import Samples
from mixing.effects import Compressor, Limiter

Curve = npt.NDArray[np.float64]

OVERSAMPLING = 16  # BS.1770 asks for 4, with which 0.7 dB may hide near the highest pitch; with 16, 0.04 dB
LOOKAHEAD_S = 0.004
SILENCE_DB = -120.0
BLOCK = 1 << 16
MARGIN = 1024  # samples of neighbourhood that a block's ends need


def apply_compressor(samples: Samples, effect: Compressor, rate_hz: int) -> Samples:
    level_db = 20 * np.log10(np.maximum(np.abs(samples).max(axis=0), 10 ** (SILENCE_DB / 20)))  # [samples]
    wanted_db = _over(level_db - effect.threshold_db, effect.knee_db) * (1 - 1 / effect.ratio)
    released_db = _release(wanted_db, effect.release_ms, rate_hz)
    share = np.exp(-1 / (rate_hz * effect.attack_ms / 1000))
    reduction_db = lfilter([1 - share], [1, -share], released_db)
    squeezed: Samples = (samples * 10 ** ((effect.makeup_db - reduction_db) / 20)).astype(np.float32)
    return squeezed


def apply_limiter(samples: Samples, effect: Limiter, rate_hz: int) -> Samples:
    """Limit true peaks to the ceiling.

    At the end the rest of an overshoot, 0.1 dB at most, is taken from all samples.
    """
    ceiling = 10 ** (effect.ceiling_db / 20)
    curve = true_peaks(samples)  # [samples]
    if curve.max() <= ceiling:
        return samples
    # one curve after the other under one name: of minutes, each is many megabytes
    curve = 20 * np.log10(np.maximum(curve / ceiling, 1.0))  # the reduction wanted, in dB
    reach = max(1, round(LOOKAHEAD_S * rate_hz))
    # the maximum from `reach` before a peak to `reach` after; the mean over that width is never too small at the peak
    curve = maximum_filter1d(curve, 2 * reach + 1)
    curve = _mean(_release(curve, effect.release_ms, rate_hz), 2 * reach + 1)
    curve = 10 ** (-curve / 20)  # the gain
    limited: Samples = (samples * curve).astype(np.float32)
    del curve
    return limited * np.float32(min(1.0, ceiling / true_peaks(limited).max()))


def true_peaks(samples: Samples) -> Curve:
    """Return the highest level at and after each sample, between samples too, of all channels. [channels, n] -> [n]"""
    frames = samples.shape[1]
    found = [_peaks_of(samples, start, min(start + BLOCK, frames)) for start in range(0, frames, BLOCK)]
    return np.concatenate(found)


def _peaks_of(samples: Samples, start: int, end: int) -> Curve:
    """Find the peaks of one block: sixteen times a long clip at once would be too much memory."""
    first, last = max(0, start - MARGIN), min(samples.shape[1], end + MARGIN)
    between = soxr.resample(samples[:, first:last].T, 1, OVERSAMPLING, quality="VHQ")  # [16 * samples, channels]
    levels = np.zeros((last - first) * OVERSAMPLING, np.float32)
    levels[: len(between)] = np.abs(between).max(axis=1)[: len(levels)]
    highest = levels.reshape(-1, OVERSAMPLING).max(axis=1)[start - first : end - first]
    peaks: Curve = np.maximum(highest, np.abs(samples[:, start:end]).max(axis=0)).astype(np.float64)
    return peaks


def _over(excess_db: Curve, knee_db: float) -> Curve:
    """Return how far the level is over the threshold; within the knee it begins softly."""
    if not knee_db:
        return np.maximum(excess_db, 0.0)
    within = np.clip(excess_db + knee_db / 2, 0.0, knee_db)
    return np.where(excess_db > knee_db / 2, excess_db, within**2 / (2 * knee_db))


def _release(wanted: Curve, release_ms: float, rate_hz: int) -> Curve:
    """Follow a rise at once, and fall by 1/e in `release_ms`."""
    log_share = -1000 / (release_ms * rate_hz)
    block = max(1, min(BLOCK, int(300 / -log_share)))  # over minutes, a^-n leaves the numbers; e^300 is one yet
    envelope = np.empty_like(wanted)
    last = 0.0
    for start in range(0, len(wanted), block):
        part = wanted[start : start + block]
        falling = np.exp(log_share * np.arange(1, len(part) + 1))
        envelope[start : start + block] = falling * np.maximum(np.maximum.accumulate(part / falling), last)
        last = float(envelope[min(start + block, len(wanted)) - 1])
    return envelope


def _mean(curve: Curve, width: int) -> Curve:
    """Return the centred moving average, the ends repeated."""
    sums = np.zeros(len(curve) + width)
    np.cumsum(np.pad(curve, (width // 2, width - 1 - width // 2), mode="edge"), out=sums[1:])
    means: Curve = sums[width:] - sums[:-width]
    means /= width
    return means
