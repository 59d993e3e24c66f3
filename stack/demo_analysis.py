"""Analyse the demo's results: tempo, key, drums, agreement with the melody; and draw a picture of each.

The measures are training/measure's, the same that the model card's figures come from.
They import torch and librosa, so this module is imported late, when the clips are done.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import librosa
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import soundfile

from training.measure.rhythm import SAMPLE_RATE_HZ, estimate_bpm, has_percussion
from training.measure.tonality import NAMES, estimate_key, melody_agreement

Wave = npt.NDArray[np.float32]  # [samples], mono at SAMPLE_RATE_HZ
HIGHEST_HZ = 8000


@dataclass(frozen=True)
class Analysis:
    """Hold one file's analysis. `agreement` is from 0 to 1; None where no melody was sent."""

    bpm: float
    key: str
    drums: bool
    agreement: float | None

    def __str__(self) -> str:
        found = [f"about {self.bpm:.0f} bpm", self.key, "drums" if self.drums else "no drums"]
        if self.agreement is not None:
            found.append(f"follows the melody: {self.agreement:.2f} (1 is its every note, chance is about 0.1)")
        return ", ".join(found)


def analyse(audio: Path, melody: Path | None = None) -> Analysis:
    wave = read(audio)
    root, mode = estimate_key(wave)
    agreement = None if melody is None else melody_agreement(wave, read(melody))
    return Analysis(estimate_bpm(wave), f"{NAMES[root]} {mode}", has_percussion(wave), agreement)


def read(path: Path) -> Wave:
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    wave: Wave = librosa.resample(samples.mean(axis=1), orig_sr=rate_hz, target_sr=SAMPLE_RATE_HZ)
    return wave


def draw(audio: Path, title: str) -> Path:
    """Draw a mel spectrogram beside the file, as PNG; return its path."""
    mpl.use("Agg")
    from matplotlib import pyplot

    wave = read(audio)
    power = librosa.feature.melspectrogram(y=wave, sr=SAMPLE_RATE_HZ, n_fft=4096, hop_length=512, fmax=HIGHEST_HZ)
    figure, axes = pyplot.subplots(figsize=(10, 4), layout="constrained")
    image: Any = librosa.display.specshow(
        librosa.power_to_db(power, ref=np.max),
        sr=SAMPLE_RATE_HZ,
        hop_length=512,
        x_axis="time",
        y_axis="mel",
        fmax=HIGHEST_HZ,
        ax=axes,
    )
    figure.colorbar(image, format="%+2.0f dB")
    axes.set(title=title, xlabel="seconds", ylabel="Hz")
    path = audio.with_suffix(".png")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
    return path
