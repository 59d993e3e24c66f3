"""Measure tempo and percussion, from how the spectrum changes. Knows nothing of the training data's tempi."""

import numpy as np

from training.measure.spectrum import decibels, mel_power, stft

SAMPLE_RATE_HZ = 32000
HOP = 320  # 10 ms
SIZE, BANDS = 1024, 64
TEMPO_TOLERANCE = 0.08
# Between music with and without drums, both as FluidSynth renders it and as the decoder plays it.
LEAST = (-2.3, -28.0)
SPREAD = (0.8, 6.0)


def onset_strength(wave: np.ndarray) -> np.ndarray:
    """Return how strongly something begins at every 10 ms: how much louder the bands get, in the mean."""
    power = mel_power(wave, SAMPLE_RATE_HZ, size=SIZE, hop=HOP, bands=BANDS, highest_hz=SAMPLE_RATE_HZ / 2)
    level = decibels(power)  # [bands, frames]
    rise = np.maximum(0, np.diff(level, axis=1)).mean(axis=0)
    strength = np.pad(rise, (1 + SIZE // (2 * HOP), 0))[: level.shape[1]]  # where the frame that got louder is centred
    return np.asarray(strength - strength.mean())


def estimate_bpm(wave: np.ndarray, lowest: float = 60.0, highest: float = 180.0) -> float:
    """Estimate the beat whose multiples best explain the repetitions of the onsets. 0 where nothing repeats."""
    strength = onset_strength(wave)
    power = np.abs(np.fft.rfft(strength, 2 * len(strength))) ** 2
    repeats = np.fft.irfft(power)[: len(strength)]
    if repeats[0] <= 0:
        return 0.0
    repeats = repeats / repeats[0] * len(strength) / np.maximum(1, len(strength) - np.arange(len(strength)))
    bpm = np.exp(np.linspace(np.log(lowest), np.log(highest), 400))
    scores = [comb(repeats, 6000.0 / candidate) for candidate in bpm]
    return float(bpm[int(np.argmax(scores))])


def comb(repeats: np.ndarray, lag: float, teeth: int = 8) -> float:
    """Return the mean repetition at the multiples of a lag, less that half-way between them."""
    at = [lag * tooth for tooth in range(1, teeth + 1) if lag * tooth < len(repeats) * 0.7]
    if not at:
        return -1.0
    grid = np.arange(len(repeats))
    between = [lag * (tooth + 0.25) for tooth in range(len(at))] + [lag * (tooth + 0.75) for tooth in range(len(at))]
    return float(np.interp(at, grid, repeats).mean() - np.interp(between, grid, repeats).mean())


def tempo_matches(estimate: float, wanted: float) -> bool:
    """Tell whether they are within 8 %, an octave up or down allowed."""
    return any(abs(estimate / (wanted * octave) - 1) <= TEMPO_TOLERANCE for octave in (0.5, 1.0, 2.0))


def percussion_features(wave: np.ndarray) -> tuple[float, float]:
    """Measure how noise-like the attacks' treble is (log flatness), and how loud it gets above 5 kHz (dB of all)."""
    power = np.abs(stft(wave, SIZE, HOP)) ** 2 + 1e-9  # [bins, frames]
    treble = power[160:448]
    level = treble.mean(axis=0)
    attacks = treble[:, level >= np.percentile(level, 90)]
    flatness = np.log(attacks).mean(axis=0) - np.log(attacks.mean(axis=0))
    loudest = np.percentile(treble.sum(axis=0), 97) / power.sum(axis=0).mean()
    return float(np.median(flatness)), float(10 * np.log10(loudest))


def percussiveness(wave: np.ndarray) -> float:
    """Return by how much both features exceed those of music without drums: the smaller, in their spreads."""
    features = percussion_features(wave)
    return min((value - least) / spread for value, least, spread in zip(features, LEAST, SPREAD, strict=True))


def has_percussion(wave: np.ndarray) -> bool:
    """Tell whether there are drums."""
    return percussiveness(wave) > 0
