"""Tell whether audio is music at all: not silent, not clipped, not noise."""

import numpy as np

from training.measure.spectrum import stft

FRAME = 3200  # 0.1 s


def is_silent(wave: np.ndarray) -> bool:
    """Tell whether there is nearly nothing over most of its length."""
    frames = wave[: len(wave) // FRAME * FRAME].reshape(-1, FRAME)
    return float(np.median(np.sqrt((frames**2).mean(axis=1)))) < 0.003


def is_clipped(wave: np.ndarray) -> bool:
    """Tell whether more than one sample in a thousand is at or over full scale."""
    return float((np.abs(wave) >= 0.999).mean()) > 1e-3


def is_noise(wave: np.ndarray) -> bool:
    """Tell whether the spectrum is flat below 4 kHz, where music has peaks, for most of the time."""
    spectrum = np.abs(stft(wave, 2048, 1024))[8:256] ** 2 + 1e-10
    flatness = np.exp(np.log(spectrum).mean(axis=0)) / spectrum.mean(axis=0)
    return float(np.median(flatness)) > 0.3
