"""Measure instruments: how loud each partial of a note is as the note gets older, and the waveforms of drums.

A partial is given to the semitone that it lies nearest to, because the decoder sings in semitones (oscillators.py).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from training.data.render import NoteEvent, Player
from training.data.theory import DRUM_LEVEL, FRAME_SAMPLES, SAMPLE_RATE_HZ, Instrument

LOWEST_SEMITONE, SEMITONES = 24, 85  # MIDI pitches C1 to C8
NOTE_FRAMES = 44
FARTHEST_CENTS = 40  # a partial farther from every semitone would sound out of tune: the 11th, the 13th
DRUM_FRAMES = {36: 13, 37: 6, 38: 11, 39: 9, 42: 5, 46: 10}


def semitone_hz(semitone: int) -> float:
    """Return the frequency of one of the decoder's semitones."""
    return float(440.0 * 2 ** ((semitone + LOWEST_SEMITONE - 69) / 12))


@dataclass(frozen=True)
class Partial:
    semitone: int
    hz: float


@cache
def partials(pitch: int) -> tuple[Partial, ...]:
    """List the partials of a note that lie near enough to a semitone."""
    base = 440.0 * 2 ** ((pitch - 69) / 12)
    found = []
    for number in range(1, 40):
        exact = 12 * np.log2(number) + pitch - LOWEST_SEMITONE
        semitone = round(exact)
        if semitone < SEMITONES and abs(exact - semitone) * 100 <= FARTHEST_CENTS:
            found.append(Partial(semitone, number * base))
    return tuple(found)


def loudness(wave: np.ndarray, hz: np.ndarray, frames: int, window_s: float) -> np.ndarray:
    """Measure the amplitude of some frequencies around the middle of each frame. -> [frames, frequencies]"""
    size = int(window_s * SAMPLE_RATE_HZ) // 2 * 2
    window = np.hanning(size + 1)[:size] * 2 / (size / 2)
    padded = np.concatenate([np.zeros(size // 2), wave, np.zeros(size)])
    around = np.lib.stride_tricks.sliding_window_view(padded, size)[FRAME_SAMPLES // 2 :: FRAME_SAMPLES][:frames]
    turns = np.exp(-2j * np.pi * hz[None] * np.arange(size)[:, None] / SAMPLE_RATE_HZ)
    amplitude: np.ndarray = np.abs(around @ (window[:, None] * turns))
    return amplitude


def measure_note(player: Player, instrument: Instrument, pitch: int) -> np.ndarray:
    """Measure the loudness of every semitone at every age of a sustained note. -> [NOTE_FRAMES, SEMITONES]"""
    wave = player.play([NoteEvent(0, NOTE_FRAMES + 4, pitch, instrument.program)], NOTE_FRAMES + 4)
    base = 440.0 * 2 ** ((pitch - 69) / 12)
    found = partials(pitch)
    amplitudes = loudness(wave, np.array([partial.hz for partial in found]), NOTE_FRAMES, max(0.04, 4.2 / base))
    table = np.zeros((NOTE_FRAMES, SEMITONES))
    for number, partial in enumerate(found):
        table[:, partial.semitone] += amplitudes[:, number] ** 2
    return np.sqrt(table)


def measure(player: Player, instrument: Instrument, pitches: range) -> dict[int, np.ndarray]:
    """Measure every pitch of an instrument at its level in the mix; its notes are made about equally loud."""
    tables = {pitch: measure_note(player, instrument, pitch) for pitch in pitches}
    loudest = {pitch: float(np.sqrt((table**2).sum(axis=1).max())) for pitch, table in tables.items()}
    usual = float(np.median(list(loudest.values())))
    return {pitch: table * instrument.level / (loudest[pitch] ** 0.7 * usual**0.3) for pitch, table in tables.items()}


def measure_drum(player: Player, key: int) -> np.ndarray:
    """Record one hit, faded out at its end. -> [DRUM_FRAMES[key], FRAME_SAMPLES]"""
    frames = DRUM_FRAMES[key]
    wave = player.play([NoteEvent(0, 2, key, None)], frames)
    wave = wave * DRUM_LEVEL[key] / max(1e-6, float(np.abs(wave).max()))
    fade = np.clip(1.25 * (1 - np.arange(len(wave)) / len(wave)), 0, 1)
    return (wave * fade).reshape(frames, FRAME_SAMPLES)
