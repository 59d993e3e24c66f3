"""Compute the filters that fold a spectrum into pitch classes, as librosa does: all of it that audiocraft uses.

After `librosa.filters.chroma` (ISC licence), which follows Ellis (2007), "Chroma Feature Analysis and Synthesis".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CENTRE_OCTAVE, WIDTH_OCTAVES = 5.0, 2.0  # the Gaussian by which octaves count
LOWEST_A_HZ = 27.5
OCTAVES_BELOW = 1.5  # how far below the first bin the one at 0 Hz is put
A_ABOVE_C = 3 / 12  # of an octave, counted downwards from the next C


def chroma(sr: int, n_fft: int, n_chroma: int = 12, tuning: float = 0.0) -> npt.NDArray[np.float32]:
    """Return the filters [n_chroma, n_fft // 2 + 1] of pitch classes from C, for magnitudes at that rate (Hz).

    `tuning` is how much higher than A = 440 Hz the music is tuned, in shares of a pitch class.
    """
    hz = np.linspace(0, sr, n_fft, endpoint=False)[1:]
    octaves = np.log2(hz / (LOWEST_A_HZ * 2.0 ** (tuning / n_chroma)))
    bins = n_chroma * octaves
    bins = np.concatenate(([bins[0] - OCTAVES_BELOW * n_chroma], bins))  # [n_fft], in pitch classes above A
    widths = np.concatenate((np.maximum(np.diff(bins), 1.0), [1.0]))
    half = np.round(n_chroma / 2)
    away = bins[None, :] - np.arange(n_chroma, dtype=float)[:, None]
    away = np.remainder(away + half + 10 * n_chroma, n_chroma) - half  # the shorter way around the octave
    filters = np.exp(-0.5 * (2 * away / widths) ** 2)
    filters /= np.sqrt((filters**2).sum(axis=0, keepdims=True))
    filters *= np.exp(-0.5 * ((bins / n_chroma - CENTRE_OCTAVE) / WIDTH_OCTAVES) ** 2)
    filters = np.roll(filters, -round(A_ABOVE_C * n_chroma), axis=0)
    return np.ascontiguousarray(filters[:, : 1 + n_fft // 2], dtype=np.float32)
