"""Render a melody as a user would upload it: humming, whistling, a plucked or a blown instrument. Pure numpy.

Used where training and evaluation need a melody alone: it must not sound like the mix that it comes from.
"""

import random
from dataclasses import dataclass

import numpy as np

from training.data.composer import Note
from training.data.theory import FRAME_SAMPLES, SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Voice:
    """Describe how a melody sounds."""

    harmonics: tuple[float, ...]
    vibrato_cents: float
    vibrato_hz: float
    glide_s: float
    decay_s: float  # 0: sustained
    breath: float
    octave: int


def draw_voice(rng: random.Random) -> Voice:
    """Draw a voice; about half of them hum or whistle with vibrato and glides."""
    kind = rng.choice(("hum", "whistle", "pluck", "reed"))
    slope = {"hum": 1.6, "whistle": 4.0, "pluck": 1.2, "reed": 0.8}[kind]
    count = {"hum": 5, "whistle": 2, "pluck": 6, "reed": 8}[kind]
    sung = kind in ("hum", "whistle")
    return Voice(
        harmonics=tuple(k**-slope * rng.uniform(0.5, 1.2) for k in range(1, count + 1)),
        vibrato_cents=rng.uniform(10, 60) if sung else 0.0,
        vibrato_hz=rng.uniform(4.5, 6.5),
        glide_s=rng.uniform(0.02, 0.09) if sung else 0.0,
        decay_s=rng.uniform(0.5, 1.5) if kind == "pluck" else 0.0,
        breath=rng.uniform(0.0, 0.01),
        octave=rng.choice((-1, 0, 0, 1)) if kind != "whistle" else 0,
    )


def render_melody(notes: tuple[Note, ...], voice: Voice, frames: int, seed: int = 0) -> np.ndarray:
    """Render the melody alone, 32 kHz mono, peak 0.5."""
    samples = frames * FRAME_SAMPLES
    pitch, loudness = np.zeros(samples), np.zeros(samples)
    for note in notes:
        begin, end = note.start * FRAME_SAMPLES, min((note.start + note.frames) * FRAME_SAMPLES, samples)
        if begin < end:
            pitch[begin:] = note.pitch + 12 * voice.octave
            loudness[begin:end] = envelope(end - begin, voice)
    phase = 2 * np.pi * np.cumsum(440.0 * 2 ** ((bend(pitch, voice) - 69) / 12)) / SAMPLE_RATE_HZ
    wave = sum(level * np.sin((k + 1) * phase) for k, level in enumerate(voice.harmonics))
    noise = np.random.default_rng(seed).standard_normal(samples) * voice.breath
    sung = wave * loudness + noise
    scaled: np.ndarray = (0.5 * sung / max(1e-6, np.abs(sung).max())).astype(np.float32)
    return scaled


def envelope(samples: int, voice: Voice) -> np.ndarray:
    """Return the loudness over one note: short ramps, and a decay for what is plucked."""
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    ramp = np.minimum(1.0, np.minimum(time_s, time_s[::-1]) / 0.015)
    return ramp * (np.exp(-time_s / voice.decay_s) if voice.decay_s else 1.0)


def bend(pitch: np.ndarray, voice: Voice) -> np.ndarray:
    """Add glides between notes (a moving average) and vibrato, in semitones."""
    width = int(voice.glide_s * SAMPLE_RATE_HZ)
    if width > 1:
        total = np.cumsum(np.concatenate([np.full(width, pitch[0]), pitch]))
        pitch = (total[width:] - total[:-width]) / width
    time_s = np.arange(len(pitch)) / SAMPLE_RATE_HZ
    return pitch + voice.vibrato_cents / 100 * np.sin(2 * np.pi * voice.vibrato_hz * time_s)
