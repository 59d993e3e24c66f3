"""Turns notes into sound with FluidSynth and the FluidR3 General MIDI bank (MIT). Dry: no reverb, no chorus.

A dry sound makes equal notes equal samples, which makes equal codes, which a tiny language model can learn.
"""

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np

from training.data.composer import Note, Piece
from training.data.theory import FRAME_SAMPLES, PALETTES, PIECE_FRAMES, SAMPLE_RATE_HZ

SOUND_BANK = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
CHANNELS = {"lead": 0, "chord": 1, "bass": 2, "drum": 9}
BASS_VOLUME, DRUM_VOLUME = 90, 92
GAIN = 0.8


class Orchestra:
    """One synthesizer with the sound bank loaded; plays pieces one after another."""

    def __init__(self, bank: Path = SOUND_BANK) -> None:
        import fluidsynth  # only the data stage needs it

        self.synth = fluidsynth.Synth(gain=GAIN, samplerate=float(SAMPLE_RATE_HZ))
        self.synth.setting("synth.reverb.active", 0)
        self.synth.setting("synth.chorus.active", 0)
        self.bank = self.synth.sfload(str(bank))
        if self.bank < 0:
            raise FileNotFoundError(f"{bank}: install the Debian package fluid-soundfont-gm")

    def play(self, piece: Piece, parts: tuple[str, ...] = ("lead", "chord", "bass", "drum")) -> np.ndarray:
        """Render a piece to 32 kHz mono in [-1, 1]."""
        self.synth.system_reset()
        self.choose_instruments(piece.spec.lead)
        events = timeline([note for note in piece.notes if note.part in parts])
        frames = sorted({0, PIECE_FRAMES, *events})
        chunks = []
        for frame, following in pairwise(frames):
            for on, note in events.get(frame, ()):
                self.send(on, note)
            chunks.append(self.synth.get_samples((following - frame) * FRAME_SAMPLES))
        stereo = np.concatenate(chunks).reshape(-1, 2).astype(np.float32) / 32768.0  # [samples, 2]
        return stereo.mean(axis=1)

    def choose_instruments(self, lead: str) -> None:
        """Programs, volumes and a centred pan for each part."""
        palette = PALETTES[lead]
        programs = {"lead": palette.lead_program, "chord": palette.chord_program, "bass": palette.bass_program}
        volumes = {"lead": palette.lead_volume, "chord": palette.chord_volume, "bass": BASS_VOLUME, "drum": DRUM_VOLUME}
        for part, channel in CHANNELS.items():
            if part in programs:
                self.synth.program_select(channel, self.bank, 0, programs[part])
            self.synth.cc(channel, 7, volumes[part])
            self.synth.cc(channel, 10, 64)

    def send(self, on: bool, note: Note) -> None:
        """Start or stop one note."""
        channel = CHANNELS[note.part]
        if on:
            self.synth.noteon(channel, note.pitch, note.velocity)
        else:
            self.synth.noteoff(channel, note.pitch)


class PlainOrchestra:
    """Sine tones and clicks: no sound bank, no realism. For the smoke run, where only the plumbing is tried."""

    def play(self, piece: Piece) -> np.ndarray:
        """Render a piece to 32 kHz mono in [-1, 1]."""
        wave = np.zeros(PIECE_FRAMES * FRAME_SAMPLES, dtype=np.float32)
        for note in piece.notes:
            begin, end = note.start * FRAME_SAMPLES, (note.start + note.frames) * FRAME_SAMPLES
            time_s = np.arange(end - begin) / SAMPLE_RATE_HZ
            hz = 60.0 if note.part == "drum" else 440.0 * 2 ** ((note.pitch - 69) / 12)
            wave[begin:end] += 0.001 * note.velocity * np.sin(2 * np.pi * hz * time_s) * np.exp(-4 * time_s)
        return wave


def timeline(notes: list[Note]) -> dict[int, list[tuple[bool, Note]]]:
    """Frame -> what happens there, stops before starts."""
    events: dict[int, list[tuple[bool, Note]]] = defaultdict(list)
    for note in notes:
        events[note.start].append((True, note))
        events[note.start + note.frames].append((False, note))
    for happenings in events.values():
        happenings.sort(key=lambda event: event[0])
    return dict(events)
