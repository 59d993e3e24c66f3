"""Measure loudness after ITU-R BS.1770, and bring audio to a loudness under a true-peak ceiling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pyloudnorm

from mixing.audio import Audio
from mixing.dynamics import apply_limiter, true_peaks
from mixing.effects import Limiter
from mixing.errors import MixError, SettingError

SHORTEST_S = 0.4  # one gating block
LOUDEST_LUFS, QUIETEST_LUFS = -6.0, -40.0
CLOSE_LU = 0.05
TRIES = 8
LEAST_SLOPE = 0.15  # of loudness by gain; below it, the secant would leap
MOST_PUSHED_DB = 24.0  # beyond what the plain gain would be: what is not reached by then is not reached


@dataclass(frozen=True)
class Loudness:
    """Hold a measurement: `lufs` is integrated loudness, -inf for silence; `true_peak_dbtp` counts between samples."""

    lufs: float
    true_peak_dbtp: float


def measure(audio: Audio, where: str = "audio") -> Loudness:
    """Measure the audio. Raises MixError when it is too short to have a loudness."""
    return Loudness(_lufs(audio, where), 20 * math.log10(max(float(true_peaks(audio.samples).max()), 1e-9)))


def level_to(audio: Audio, target_lufs: float, ceiling_dbtp: float, where: str = "audio") -> tuple[Audio, float]:
    """Bring the audio to the target loudness, limited under the true-peak ceiling; return it and the loudness reached.

    The limiter takes some loudness away, so it is asked again with more gain, by the secant. Music of a very high crest
    factor may not get there; then the result is the closest that was found, and its loudness says so.
    """
    here = _lufs(audio, where)
    if here == -math.inf:
        message = "is silent, and no gain makes it louder; send audio that can be heard"
        raise MixError([SettingError(where, message, "-inf LUFS")])
    gain_db = target_lufs - here
    before = (0.0, here)
    most_db = gain_db + MOST_PUSHED_DB
    limiter = Limiter(ceiling_db=ceiling_dbtp)
    best, reached = audio, -math.inf
    for _ in range(TRIES):
        louder = Audio(audio.samples * 10 ** (gain_db / 20), audio.sample_rate_hz)
        limited = Audio(apply_limiter(louder.samples, limiter, audio.sample_rate_hz), audio.sample_rate_hz)
        lufs = _lufs(limited, where)
        if abs(lufs - target_lufs) < abs(reached - target_lufs):
            best, reached = limited, lufs
        if abs(lufs - target_lufs) <= CLOSE_LU:
            break
        slope = (lufs - before[1]) / (gain_db - before[0]) if gain_db != before[0] else 1.0
        before = (gain_db, lufs)
        gain_db = min(gain_db + (target_lufs - lufs) / min(max(slope, LEAST_SLOPE), 1.0), most_db)
        if gain_db == before[0]:  # all that it may be pushed
            break
    return best, reached


def _lufs(audio: Audio, where: str) -> float:
    if audio.duration_s < SHORTEST_S:
        message = f"is shorter than {SHORTEST_S:g} s, too short to have a loudness; send a longer one"
        raise MixError([SettingError(where, message, f"{audio.duration_s:.3f} s")])
    return float(pyloudnorm.Meter(audio.sample_rate_hz).integrated_loudness(audio.samples.T.astype("float64")))
