"""Render notes with FluidSynth and the FluidR3 General MIDI soundfont (MIT). Dry: no reverb, no chorus.

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

from training.data.composer import Composition
from training.data.theory import (
    BASSES,
    CHORDS,
    FRAME_SAMPLES,
    KITS,
    LEADS,
    LOWEST_BASS,
    LOWEST_CHORD,
    SAMPLE_RATE_HZ,
    SEGMENT_FRAMES,
    STRUCK,
    triad,
)

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
DRUM_CHANNEL = 9
VELOCITY = 105


@dataclass(frozen=True)
class NoteEvent:
    """Describe one note or drum hit on the frame grid; `program` None is the drum kit, `pitch` then the drum."""

    start: int
    frames: int
    pitch: int
    program: int | None
    volume: int = 110  # of its program, 0 to 127


def arrange(composition: Composition) -> list[NoteEvent]:
    """List all the notes of a composition."""
    spec = composition.spec
    lead = [
        NoteEvent(note.start, note.frames, note.pitch, LEADS[spec.lead].program, 112) for note in composition.melody
    ]
    return lead + arrange_chords(composition) + arrange_drums(composition)


def arrange_chords(composition: Composition) -> list[NoteEvent]:
    """List the notes of chord and bass, struck on every beat or sustained through the chord."""
    spec, kind = composition.spec, composition.spec.accompaniment
    length = spec.beat_frames if kind == STRUCK else 2 * spec.beat_frames
    chord, bass = CHORDS[kind].program, BASSES[kind].program
    events = []
    for start in range(0, SEGMENT_FRAMES, length):
        classes = triad(spec.scale, composition.chords[start // composition.chord_frames])
        events += [NoteEvent(start, length - 1, LOWEST_CHORD + pitch, chord, 62) for pitch in classes]
        events.append(NoteEvent(start, length - 1, LOWEST_BASS + classes[0], bass, 80))
    return events


def arrange_drums(composition: Composition) -> list[NoteEvent]:
    """Repeat the kit's two beats, over and over."""
    spec = composition.spec
    slots = range(0, SEGMENT_FRAMES, spec.slot_frames) if spec.kit else ()
    return [
        NoteEvent(start, min(5, spec.slot_frames), key, None, 100)
        for number, start in enumerate(slots)
        for key in sorted(KITS[spec.kit][number % 4])
    ]


class Player(Protocol):
    """Render note events to a wave."""

    def play(self, events: Iterable[NoteEvent], frames: int) -> np.ndarray:
        """Render the events. -> 32 kHz mono, float32 [frames * FRAME_SAMPLES]"""


class FluidSynthPlayer:
    """Play with one synthesizer, its soundfont loaded."""

    def __init__(self, soundfont: Path = SOUNDFONT) -> None:
        import fluidsynth  # only measuring and rendering need it

        self.synth = fluidsynth.Synth(gain=0.8, samplerate=float(SAMPLE_RATE_HZ))
        self.synth.setting("synth.reverb.active", 0)
        self.synth.setting("synth.chorus.active", 0)
        self.soundfont = self.synth.sfload(str(soundfont))
        if self.soundfont < 0:
            raise FileNotFoundError(f"{soundfont}: install the Debian package fluid-soundfont-gm")

    def play(self, events: Iterable[NoteEvent], frames: int) -> np.ndarray:
        """Render the events: stops come before starts; every program has a channel of its own."""
        events = list(events)
        self.synth.system_reset()
        channels = self.choose_channels(events)
        starts, stops = defaultdict(list), defaultdict(list)
        for event in events:
            starts[event.start].append(event)
            stops[event.start + event.frames].append(event)
        chunks = []
        for frame, next_frame in pairwise(sorted({0, frames, *starts, *stops})):
            if frame >= frames:
                break
            for event in stops[frame]:
                self.synth.noteoff(channels[event.program, event.volume], event.pitch)
            for event in starts[frame]:
                self.synth.noteon(channels[event.program, event.volume], event.pitch, VELOCITY)
            chunks.append(self.synth.get_samples((min(next_frame, frames) - frame) * FRAME_SAMPLES))
        stereo = np.concatenate(chunks).reshape(-1, 2).astype(np.float32) / 32768.0  # [samples, 2]
        mono: np.ndarray = stereo.mean(axis=1)
        return mono

    def choose_channels(self, events: list[NoteEvent]) -> dict[tuple[int | None, int], int]:
        """Choose a channel for each program at each volume, panned to the middle."""
        channels: dict[tuple[int | None, int], int] = {}
        free = [channel for channel in range(16) if channel != DRUM_CHANNEL]
        for program, volume in sorted({(event.program, event.volume) for event in events}, key=str):
            channel = DRUM_CHANNEL if program is None else free.pop()
            channels[program, volume] = channel
            if program is not None:
                self.synth.program_select(channel, self.soundfont, 0, program)
            self.synth.cc(channel, 7, volume)
            self.synth.cc(channel, 10, 64)
        return channels


class PlainPlayer:
    """Play harmonics and noise bursts: no soundfont, no realism.

    For the smoke run, where only the plumbing is tried.
    """

    def play(self, events: Iterable[NoteEvent], frames: int) -> np.ndarray:
        wave = np.zeros(frames * FRAME_SAMPLES, dtype=np.float32)
        noise = np.random.default_rng(0).standard_normal(len(wave))
        for event in events:
            begin, end = event.start * FRAME_SAMPLES, min((event.start + event.frames) * FRAME_SAMPLES, len(wave))
            time_s = np.arange(end - begin) / SAMPLE_RATE_HZ
            if event.program is None:
                wave[begin:end] += 0.3 * noise[: end - begin] * np.exp(-30 * time_s)
                continue
            phase = 2 * np.pi * 440.0 * 2 ** ((event.pitch - 69) / 12) * time_s
            tone = np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase)
            wave[begin:end] += 0.1 * tone * np.exp(-2 * time_s)
        return wave
