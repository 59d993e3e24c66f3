"""Draw what evaluation asks for: held-out captions and held-out melodies, the same ones every time."""

import random
from dataclasses import dataclass, replace

import numpy as np

from training.data.caption import Caption, caption
from training.data.composer import HELD_OUT_SEED, Note, Spec, compose, draw_spec
from training.data.singer import Voice, draw_voice, render_melody

MELODY_SECONDS = 8


@dataclass(frozen=True)
class EvaluationRequest:
    """Ask for one clip: a caption, what it stands for, and perhaps a melody (32 kHz mono)."""

    spec: Spec
    caption: Caption
    melody: np.ndarray | None = None


def useful(words: Caption) -> bool:
    """Tell whether it names a tempo in numbers, and a key or whether there are drums."""
    return words.bpm is not None and bool(words.named & {"key", "drums"})


def held_out_captions(count: int = 60) -> list[EvaluationRequest]:
    """Draw captions of unseen compositions; every third in a template that training never saw."""
    asked = []
    for index in range(count):
        spec = draw_spec(HELD_OUT_SEED + index)
        rng = random.Random(f"asked-{index}")
        words = caption(spec, rng, held_out=index % 3 == 2, keep=0.9)
        while not useful(words):
            words = caption(spec, rng, held_out=index % 3 == 2, keep=0.9)
        asked.append(EvaluationRequest(spec, words))
    return asked


def whistler(rng: random.Random) -> Voice:
    """Draw a voice that whistles: a pure tone with glides and vibrato."""
    return Voice((1.0, 0.05), rng.uniform(20, 50), rng.uniform(5, 6), rng.uniform(0.03, 0.08), 0.0, 0.005, 0)


def held_out_melodies(count: int = 30) -> list[EvaluationRequest]:
    """Draw melodies: a third whistled, a third by any voice, a third transposed; captions name tempo and drums."""
    asked = []
    for index in range(count):
        spec = draw_spec(HELD_OUT_SEED + 10_000 + index)
        rng = random.Random(f"melody-asked-{index}")
        shift = rng.choice((-5, -3, -2, 2, 3, 5)) if index % 3 == 2 else 0
        notes = tuple(moved(note, shift) for note in compose(spec).melody)
        voice = whistler(rng) if index % 3 == 0 else draw_voice(rng)
        wave = render_melody(notes, voice, MELODY_SECONDS * 50, HELD_OUT_SEED + index)
        drums = "with drums" if spec.drums else "no drums"
        bpm = round(3000 / spec.beat_frames)
        words = Caption(f"{spec.lead}, {bpm} bpm, {drums}", frozenset({"tempo", "drums", "lead"}), bpm)
        asked.append(EvaluationRequest(spec, words, wave))
    return asked


def moved(note: Note, semitones: int) -> Note:
    """Return the note, transposed."""
    return replace(note, pitch=note.pitch + semitones)
