"""Scale by chroma template, register, and agreement with a melody by audiocraft's own measure."""

import librosa
import numpy as np
import torch
from audiocraft.metrics.chroma_cosinesim import ChromaCosineSimilarityMetric

SAMPLE_RATE_HZ = 32000
MAJOR_STEPS = (0, 2, 4, 5, 7, 9, 11)
MINOR_STEPS = (0, 2, 3, 5, 7, 8, 10)
# Chroma of a key on C as our rendered pieces have it, bass region then melody region: `training.measure.calibrate`.
PROFILES: dict[str, tuple[float, ...]] = {
    "major": (
        0.2,
        0.042,
        0.078,
        0.033,
        0.11,
        0.094,
        0.038,
        0.156,
        0.037,
        0.106,
        0.036,
        0.071,
        0.187,
        0.023,
        0.119,
        0.024,
        0.138,
        0.084,
        0.026,
        0.177,
        0.023,
        0.103,
        0.022,
        0.073,
    ),
    "minor": (
        0.184,
        0.035,
        0.086,
        0.134,
        0.036,
        0.078,
        0.032,
        0.149,
        0.103,
        0.033,
        0.063,
        0.068,
        0.195,
        0.022,
        0.1,
        0.151,
        0.027,
        0.089,
        0.027,
        0.153,
        0.079,
        0.029,
        0.076,
        0.052,
    ),
}
NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def bands_chroma(wave: np.ndarray) -> np.ndarray:
    """Pitch classes below middle C and above it, each as shares of its band's magnitude. -> [24]"""
    size = 16384
    magnitude = np.abs(librosa.stft(wave, n_fft=size, hop_length=4096))  # [bins, frames]
    hz = np.arange(size // 2 + 1) * SAMPLE_RATE_HZ / size
    return np.concatenate([fold(magnitude, hz, 60, 260), fold(magnitude, hz, 260, 1100)])


def fold(magnitude: np.ndarray, hz: np.ndarray, low: float, high: float) -> np.ndarray:
    """Sum a band into pitch classes; what lies between two semitones counts less. -> [12], mean share over time"""
    inside = (hz > low) & (hz < high)
    semitones = 12 * np.log2(hz[inside] / 440.0) + 9  # above C
    weight = np.exp(-0.5 * ((semitones - np.round(semitones)) / 0.18) ** 2)
    chroma = np.zeros((12, magnitude.shape[1]))
    np.add.at(chroma, np.round(semitones).astype(int) % 12, magnitude[inside] * weight[:, None])
    return (chroma / (chroma.sum(axis=0, keepdims=True) + 1e-9)).mean(axis=1)


def template(root: int, mode: str) -> np.ndarray:
    """Expected chroma of a key, of unit length and zero mean."""
    profile = np.roll(np.reshape(PROFILES[mode], (2, 12)), root, axis=1).ravel()
    profile = profile - profile.mean()
    return profile / (np.linalg.norm(profile) + 1e-9)


def estimate_key(wave: np.ndarray) -> tuple[int, str]:
    """The best of the 24 keys as (root, mode)."""
    chroma = bands_chroma(wave)
    chroma = chroma - chroma.mean()
    keys = [(root, mode) for mode in ("major", "minor") for root in range(12)]
    return max(keys, key=lambda key: float(template(*key) @ chroma))


def scale_matches(estimate: tuple[int, str], root: str, mode: str) -> bool:
    """The same seven pitch classes: a key and its relative count as one, as they share their scale."""

    def pitch_classes(base: int, kind: str) -> frozenset[int]:
        return frozenset((base + step) % 12 for step in (MAJOR_STEPS if kind == "major" else MINOR_STEPS))

    return pitch_classes(*estimate) == pitch_classes(NAMES.index(root), mode)


def register_hz(wave: np.ndarray) -> float:
    """Where the melody lies: the median over time of the strongest pitch between 250 Hz and 1600 Hz."""
    spectrum = np.abs(librosa.stft(wave, n_fft=4096, hop_length=1024))
    hz = np.arange(spectrum.shape[0]) * SAMPLE_RATE_HZ / 4096
    band = (hz > 250) & (hz < 1600)
    return float(np.median(hz[band][spectrum[band].argmax(axis=0)]))


def melody_agreement(wave: np.ndarray, melody: np.ndarray) -> float:
    """audiocraft's ChromaCosineSimilarityMetric, 2^14 window, argmax, over the shorter of the two."""
    metric = ChromaCosineSimilarityMetric(SAMPLE_RATE_HZ, n_chroma=12, radix2_exp=14, argmax=True)
    length = min(len(wave), len(melody))
    first, second = (torch.from_numpy(np.ascontiguousarray(x[:length], dtype=np.float32)) for x in (wave, melody))
    metric.update(first[None, None], second[None, None], torch.tensor([length]), torch.tensor([SAMPLE_RATE_HZ]))
    return float(metric.compute())
