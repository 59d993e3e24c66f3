"""Score audio against what its caption says, and against what the other captions say (chance)."""

from dataclasses import dataclass

import numpy as np

from training.measure.asked import EvaluationRequest
from training.measure.rhythm import estimate_bpm, has_percussion, tempo_matches
from training.measure.soundness import is_clipped, is_noise, is_silent
from training.measure.tonality import estimate_key, register_hz, scale_matches

REGISTER_HZ = 510.0  # about C5, where the low octave ends and the high one begins


@dataclass(frozen=True)
class AudioFeatures:
    """Hold what was measured in one window of audio."""

    bpm: float
    key: tuple[int, str]
    percussion: bool
    register_hz: float
    silent: bool
    clipped: bool
    noise: bool


def extract_features(wave: np.ndarray) -> AudioFeatures:
    """Measure a window."""
    return AudioFeatures(
        estimate_bpm(wave),
        estimate_key(wave),
        has_percussion(wave),
        register_hz(wave),
        is_silent(wave),
        is_clipped(wave),
        is_noise(wave),
    )


def hit(name: str, features: AudioFeatures, asked: EvaluationRequest) -> float | None:
    """Return 1 or 0 for a property that the caption names, None for one that it does not."""
    words, spec = asked.caption, asked.spec
    if name not in words.named:
        return None
    if name == "tempo":
        return None if words.bpm is None else float(tempo_matches(features.bpm, words.bpm))
    if name == "key":
        return float(scale_matches(features.key, spec.tonic, spec.mode))
    if name == "register":
        return float((features.register_hz > REGISTER_HZ) == spec.high)
    return float(features.percussion == spec.drums)


def rate(name: str, pairs: list[tuple[AudioFeatures, EvaluationRequest]]) -> float:
    """Return the share of hits; for percussion the mean of both kinds, so that always or never drums scores a half."""
    scored = [(value, asked) for features, asked in pairs if (value := hit(name, features, asked)) is not None]
    if name not in ("drums", "register"):
        return float(np.mean([value for value, _ in scored])) if scored else float("nan")
    sides = [
        [value for value, asked in scored if (asked.spec.drums if name == "drums" else asked.spec.high) is side]
        for side in (True, False)
    ]
    return float(np.mean([np.mean(side) for side in sides if side])) if scored else float("nan")


def chance(name: str, pairs: list[tuple[AudioFeatures, EvaluationRequest]]) -> float:
    """Return the rate of the same audio under the captions of all the others."""
    features, asked = [h for h, _ in pairs], [a for _, a in pairs]
    shifts = range(1, len(pairs))
    rates = [rate(name, list(zip(features, asked[k:] + asked[:k], strict=True))) for k in shifts]
    return float(np.nanmean(rates)) if rates else float("nan")


def interval(name: str, pairs: list[tuple[AudioFeatures, EvaluationRequest]], draws: int = 1000) -> tuple[float, float]:
    """Return the 95 % bootstrap confidence interval of the rate."""
    rng = np.random.default_rng(0)
    rates = [rate(name, [pairs[i] for i in rng.integers(len(pairs), size=len(pairs))]) for _ in range(draws)]
    return float(np.nanpercentile(rates, 2.5)), float(np.nanpercentile(rates, 97.5))
