"""Turns notes into sound with FluidSynth and the FluidR3 General MIDI bank (MIT). Dry: no reverb, no chorus.

Single notes are measured for the decoder (codec/instruments.py); whole pieces teach the encoder and are what the
decoder is compared with.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np

from training.data.composer import Piece
from training.data.theory import (
    BASSES,
    CHORDS,
    FRAME_SAMPLES,
    KITS,
    LEADS,
    LOWEST_BASS,
    LOWEST_CHORD,
    PIECE_FRAMES,
    SAMPLE_RATE_HZ,
    STRUCK,
    triad,
)

SOUND_BANK = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
DRUM_CHANNEL = 9
VELOCITY = 105


@dataclass(frozen=True)
class Sound:
    """One note or drum hit on the frame grid; `program` None is the drum kit, `pitch` then the drum."""

    start: int
    frames: int
    pitch: int
    program: int | None
    volume: int = 110  # of its program, 0 to 127


def arrange(piece: Piece) -> list[Sound]:
    """All the notes of a piece."""
    spec = piece.spec
    lead = [Sound(note.start, note.frames, note.pitch, LEADS[spec.lead].program, 112) for note in piece.melody]
    return lead + arrange_chords(piece) + arrange_drums(piece)


def arrange_chords(piece: Piece) -> list[Sound]:
    """Chord and bass, struck on every beat or held through the chord."""
    spec, kind = piece.spec, piece.spec.accompaniment
    length = spec.beat_frames if kind == STRUCK else 2 * spec.beat_frames
    chord, bass = CHORDS[kind].program, BASSES[kind].program
    sounds = []
    for start in range(0, PIECE_FRAMES, length):
        classes = triad(spec.scale, piece.chords[start // piece.chord_frames])
        sounds += [Sound(start, length - 1, LOWEST_CHORD + pitch, chord, 62) for pitch in classes]
        sounds.append(Sound(start, length - 1, LOWEST_BASS + classes[0], bass, 80))
    return sounds


def arrange_drums(piece: Piece) -> list[Sound]:
    """The kit's two beats, over and over."""
    spec = piece.spec
    slots = range(0, PIECE_FRAMES, spec.slot_frames) if spec.kit else ()
    return [
        Sound(start, min(5, spec.slot_frames), key, None, 100)
        for number, start in enumerate(slots)
        for key in sorted(KITS[spec.kit][number % 4])
    ]


class Player(Protocol):
    """What plays sounds."""

    def play(self, sounds: Iterable[Sound], frames: int) -> np.ndarray:
        """-> 32 kHz mono, float32 [frames * FRAME_SAMPLES]"""


class Orchestra:
    """One synthesizer with the sound bank loaded."""

    def __init__(self, bank: Path = SOUND_BANK) -> None:
        import fluidsynth  # only measuring and rendering need it

        self.synth = fluidsynth.Synth(gain=0.8, samplerate=float(SAMPLE_RATE_HZ))
        self.synth.setting("synth.reverb.active", 0)
        self.synth.setting("synth.chorus.active", 0)
        self.bank = self.synth.sfload(str(bank))
        if self.bank < 0:
            raise FileNotFoundError(f"{bank}: install the Debian package fluid-soundfont-gm")

    def play(self, sounds: Iterable[Sound], frames: int) -> np.ndarray:
        """Stops come before starts; every program has a channel of its own."""
        sounds = list(sounds)
        self.synth.system_reset()
        channels = self.choose_channels(sounds)
        starts, stops = defaultdict(list), defaultdict(list)
        for sound in sounds:
            starts[sound.start].append(sound)
            stops[sound.start + sound.frames].append(sound)
        chunks = []
        for frame, following in pairwise(sorted({0, frames, *starts, *stops})):
            if frame >= frames:
                break
            for sound in stops[frame]:
                self.synth.noteoff(channels[sound.program, sound.volume], sound.pitch)
            for sound in starts[frame]:
                self.synth.noteon(channels[sound.program, sound.volume], sound.pitch, VELOCITY)
            chunks.append(self.synth.get_samples((min(following, frames) - frame) * FRAME_SAMPLES))
        stereo = np.concatenate(chunks).reshape(-1, 2).astype(np.float32) / 32768.0  # [samples, 2]
        mono: np.ndarray = stereo.mean(axis=1)
        return mono

    def choose_channels(self, sounds: list[Sound]) -> dict[tuple[int | None, int], int]:
        """A channel for each program at each volume, in the middle."""
        channels: dict[tuple[int | None, int], int] = {}
        free = [channel for channel in range(16) if channel != DRUM_CHANNEL]
        for program, volume in sorted({(sound.program, sound.volume) for sound in sounds}, key=str):
            channel = DRUM_CHANNEL if program is None else free.pop()
            channels[program, volume] = channel
            if program is not None:
                self.synth.program_select(channel, self.bank, 0, program)
            self.synth.cc(channel, 7, volume)
            self.synth.cc(channel, 10, 64)
        return channels


class PlainOrchestra:
    """Harmonics and noise bursts: no sound bank, no realism. For the smoke run, where only the plumbing is tried."""

    def play(self, sounds: Iterable[Sound], frames: int) -> np.ndarray:
        wave = np.zeros(frames * FRAME_SAMPLES, dtype=np.float32)
        noise = np.random.default_rng(0).standard_normal(len(wave))
        for sound in sounds:
            begin, end = sound.start * FRAME_SAMPLES, min((sound.start + sound.frames) * FRAME_SAMPLES, len(wave))
            time_s = np.arange(end - begin) / SAMPLE_RATE_HZ
            if sound.program is None:
                wave[begin:end] += 0.3 * noise[: end - begin] * np.exp(-30 * time_s)
                continue
            phase = 2 * np.pi * 440.0 * 2 ** ((sound.pitch - 69) / 12) * time_s
            tone = np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase)
            wave[begin:end] += 0.1 * tone * np.exp(-2 * time_s)
        return wave
