"""Hold samples and the gain at which they are to be written, and go through them block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Waveform = npt.NDArray[np.float32]

BLOCK = 1 << 16  # samples
AS_IT_IS = np.float32(1.0)


@dataclass(frozen=True, eq=False)
class Levelled:
    """Hold samples, [channels, samples], and the gain at which they are to be written."""

    waveform: Waveform
    gain: np.float32 = AS_IT_IS

    @property
    def peak(self) -> float:
        return float(np.float32(peak_of(self.waveform)) * self.gain)

    def blocks(self, samples: int) -> Iterator[Waveform]:
        """Yield the samples as they are to be written, so many at a time. [samples, channels]"""
        for block in blocks_of(self.waveform, samples):
            yield np.ascontiguousarray((block * self.gain).T)


def limit_peak(waveform: Waveform, ceiling: float) -> Levelled:
    """Return the waveform with its peak at or below the ceiling (an amplitude): as it is, or all scaled down alike."""
    peak = peak_of(waveform)
    return Levelled(waveform) if peak <= ceiling else Levelled(waveform, np.float32(ceiling / peak))


def blocks_of(waveform: Waveform, samples: int = BLOCK) -> Iterator[Waveform]:
    """Yield so many samples of a [channels, samples] waveform at a time."""
    for start in range(0, waveform.shape[1], samples):
        yield waveform[:, start : start + samples]


def peak_of(samples: Waveform) -> float:
    """Return the largest amplitude."""
    return float(max(samples.max(), -samples.min()))


def amplitude_of(dbfs: float) -> float:
    """Return a level below full scale as an amplitude."""
    return float(10.0 ** (dbfs / 20.0))
