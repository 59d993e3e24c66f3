"""Analyse the demo's results: tempo, key, drums, agreement with the melody; and draw a picture of each.

The measures are training/measure's, the same that the model card's figures come from. Numpy alone: a library that
takes seconds to import would take longer than the music.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from training.measure.rhythm import SAMPLE_RATE_HZ, estimate_bpm, has_percussion
from training.measure.spectrum import decibels, mel_of_hz, mel_power
from training.measure.tonality import NAMES, estimate_key, melody_agreement

Wave = npt.NDArray[np.float32]  # [samples], mono at SAMPLE_RATE_HZ
HIGHEST_HZ, BANDS, HOP = 8000, 128, 512
TICKS_HZ = (0, 256, 512, 1024, 2048, 4096, 8000)


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
    wave: Wave = soxr.resample(samples.mean(axis=1), rate_hz, SAMPLE_RATE_HZ)
    return wave


def draw(audio: Path, title: str) -> Path:
    """Draw a mel spectrogram beside the file, as PNG; return its path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # a second, and only here
    from matplotlib.figure import Figure

    wave = read(audio)
    power = mel_power(wave, SAMPLE_RATE_HZ, size=4096, hop=HOP, bands=BANDS, highest_hz=HIGHEST_HZ)
    top = float(mel_of_hz(np.asarray(HIGHEST_HZ)))
    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    image = axes.imshow(
        decibels(power, float(power.max())),
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(0, len(wave) / SAMPLE_RATE_HZ, 0, top),
    )
    figure.colorbar(image, format="%+2.0f dB")
    axes.set(title=title, xlabel="seconds", ylabel="Hz")
    axes.set_yticks([float(mel_of_hz(np.asarray(hz))) for hz in TICKS_HZ], [str(hz) for hz in TICKS_HZ])
    path = audio.with_suffix(".png")
    figure.savefig(path, dpi=100)
    return path
