"""Synthesise a short melody as if someone hummed it, for the demo.

A hum is a few soft harmonics with vibrato that sets in late, breath, and a glide from note to note.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

import numpy as np
import soundfile

Wave: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]

SAMPLE_RATE_HZ = 32_000
# "Ode to Joy", first line: semitones above the C below middle C, and beats
NOTES = (
    (4, 1),
    (4, 1),
    (5, 1),
    (7, 1),
    (7, 1),
    (5, 1),
    (4, 1),
    (2, 1),
    (0, 1),
    (0, 1),
    (2, 1),
    (4, 1),
    (4, 1.5),
    (2, 2.5),
)
BEAT_S = 0.5
BASE_HZ = 130.8
VIBRATO_HZ = 5.2
VIBRATO_SEMITONES = 0.25
HARMONICS = (1.0, 0.5, 0.22, 0.1, 0.04)


def write_melody(path: Path, duration_s: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    soundfile.write(partial, synthesise(duration_s), SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return partial.replace(path)


def synthesise(duration_s: float) -> Wave:
    """Synthesise the line, repeated as long as asked, mono, peak 0.5."""
    pitch, loudness = _contours()
    samples = int(duration_s * SAMPLE_RATE_HZ)
    pitch, loudness = np.resize(pitch, samples), np.resize(loudness, samples)
    phase = 2 * np.pi * np.cumsum(BASE_HZ * 2 ** (pitch / 12)) / SAMPLE_RATE_HZ
    voice = sum((gain * np.sin(number * phase) for number, gain in enumerate(HARMONICS, 1)), np.zeros(samples))
    breath = 0.01 * np.random.default_rng(0).standard_normal(samples)
    wave = loudness * (voice + breath)
    return np.asarray(0.5 * wave / np.abs(wave).max())


def _contours() -> tuple[Wave, Wave]:
    """Return pitch in semitones and loudness, sample by sample, over the complete line."""
    pitches, loudnesses = [], []
    for semitone, beats in NOTES:
        time_s = np.arange(int(beats * BEAT_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        swing = np.clip((time_s - 0.15) / 0.2, 0, 1) * VIBRATO_SEMITONES
        pitches.append(semitone + swing * np.sin(2 * np.pi * VIBRATO_HZ * time_s))
        loudnesses.append(np.minimum(1, time_s / 0.05) * np.minimum(1, time_s[::-1] / 0.08))
    glide = np.ones(int(0.04 * SAMPLE_RATE_HZ)) / int(0.04 * SAMPLE_RATE_HZ)
    return np.convolve(np.concatenate(pitches), glide, mode="same"), np.concatenate(loudnesses)
