"""Measure scale (by chroma template), register, and agreement with a melody (by audiocraft's measure)."""

import numpy as np

from training.measure.spectrum import stft
from worker.engine.imports.chroma import chroma

SAMPLE_RATE_HZ = 32000
CHROMA_SIZE = 2**14
CHROMA_HOP = CHROMA_SIZE // 4
MAJOR_STEPS = (0, 2, 4, 5, 7, 9, 11)
SCALE = np.isin(np.arange(12), MAJOR_STEPS).astype(float)
NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def bands_chroma(wave: np.ndarray) -> np.ndarray:
    """Measure pitch classes below middle C and above it, each as shares of its band's magnitude. -> [24]"""
    size = 16384
    magnitude = np.abs(stft(wave, size, 4096))  # [bins, frames]
    hz = np.arange(size // 2 + 1) * SAMPLE_RATE_HZ / size
    return np.concatenate([fold(magnitude, hz, 60, 260), fold(magnitude, hz, 260, 1100)])


def fold(magnitude: np.ndarray, hz: np.ndarray, low: float, high: float) -> np.ndarray:
    """Sum a band into pitch classes; what lies between two semitones counts less. -> [12], mean share over time"""
    inside = (hz > low) & (hz < high)
    semitones = 12 * np.log2(hz[inside] / 440.0) + 9  # above C
    weight = np.exp(-0.5 * ((semitones - np.round(semitones)) / 0.18) ** 2)
    chroma = np.zeros((12, magnitude.shape[1]))
    np.add.at(chroma, np.round(semitones).astype(int) % 12, magnitude[inside] * weight[:, None])
    return np.asarray((chroma / (chroma.sum(axis=0, keepdims=True) + 1e-9)).mean(axis=1))


def estimate_scale(chroma: np.ndarray) -> int:
    """Estimate the major tonic whose seven notes are loudest, against the other five. chroma: [12]"""
    fits = [np.corrcoef(np.roll(SCALE, tonic), chroma)[0, 1] for tonic in range(12)]
    return int(np.nanargmax(fits)) if np.isfinite(fits).any() else 0


def estimate_key(wave: np.ndarray) -> tuple[int, str]:
    """Estimate the scale's major key or its relative minor, whichever tonic's triad is louder: (root, mode)."""
    low, high = bands_chroma(wave).reshape(2, 12)
    major = estimate_scale(low + high)
    minor = (major + 9) % 12

    def weight(root: int, third: int) -> float:
        return float(2 * low[root] + high[root] + high[(root + third) % 12] + high[(root + 7) % 12])

    return (major, "major") if weight(major, 4) >= weight(minor, 3) else (minor, "minor")


def scale_matches(estimate: tuple[int, str], root: int, mode: str) -> bool:
    """Tell whether the pitch classes are the same seven: a key and its relative count as one, sharing a scale."""

    def major_tonic(base: int, kind: str) -> int:
        return (base + (0 if kind == "major" else 3)) % 12

    return major_tonic(*estimate) == major_tonic(root, mode)


def register_hz(wave: np.ndarray) -> float:
    """Return where the melody lies: the median over time of the strongest pitch between 250 Hz and 1600 Hz."""
    spectrum = np.abs(stft(wave, 4096, 1024))
    hz = np.arange(spectrum.shape[0]) * SAMPLE_RATE_HZ / 4096
    band = (hz > 250) & (hz < 1600)
    return float(np.median(hz[band][spectrum[band].argmax(axis=0)]))


def melody_agreement(wave: np.ndarray, melody: np.ndarray) -> float:
    """Compute audiocraft's ChromaCosineSimilarityMetric, 2^14 window, argmax, over the shorter of the two.

    Of two frames whose pitch classes are one each, the cosine is 1 where it is the same one, and else 0.
    """
    length = min(len(wave), len(melody))
    first, second = strongest_classes(wave[:length]), strongest_classes(melody[:length])
    frames = -(-length // CHROMA_HOP)
    return float(np.mean(first[:frames] == second[:frames]))


def strongest_classes(wave: np.ndarray) -> np.ndarray:
    """Return the strongest pitch class of each frame. -> [frames]"""
    missing = max(0, CHROMA_SIZE - len(wave))
    padded = np.pad(wave, (missing // 2, missing - missing // 2))
    power = np.abs(stft(padded, CHROMA_SIZE, CHROMA_HOP, padding="reflect")) ** 2
    return np.asarray((chroma(SAMPLE_RATE_HZ, CHROMA_SIZE) @ power).argmax(axis=0))
