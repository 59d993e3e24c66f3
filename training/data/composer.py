"""Composes one piece from a seed: what is asked for (Spec) and the notes that fulfil it. No sound, no words here."""

import random
from dataclasses import dataclass, replace

from training.data import theory
from training.data.theory import PALETTES, PIECE_FRAMES

SLOTS_PER_BAR = 8

# Durations in eighths, one bar each. Quick pieces get longer notes: the melody metric's window is half a second.
SLOW_RHYTHMS = ((2, 2, 2, 2), (4, 2, 2), (2, 2, 4), (4, 4), (3, 1, 4), (6, 2))
FAST_RHYTHMS = ((4, 4), (4, 4), (8,), (6, 2), (4, 2, 2))


@dataclass(frozen=True)
class Spec:
    """What a piece is: everything that a caption may name."""

    seed: int
    beat_frames: int
    root: str
    mode: str
    lead: str
    genre: str
    drums: bool
    high: bool
    loop: int

    @property
    def bar_frames(self) -> int:
        return 4 * self.beat_frames

    @property
    def chords_per_bar(self) -> int:
        """Slow pieces change chords twice a bar, so that 8 s always hold the whole loop and with it the key."""
        return 2 if self.beat_frames >= 32 else 1


@dataclass(frozen=True)
class Note:
    """One note on the frame grid."""

    start: int
    frames: int
    pitch: int
    velocity: int
    part: str  # lead, chord, bass or drum


@dataclass(frozen=True)
class Piece:
    spec: Spec
    notes: tuple[Note, ...]

    def part(self, name: str) -> tuple[Note, ...]:
        return tuple(note for note in self.notes if note.part == name)


def draw_spec(seed: int) -> Spec:
    """Draw a piece's properties. Percussion is drawn first and almost decides the genre."""
    rng = random.Random(f"spec-{seed}")
    mode = rng.choice(("major", "minor"))
    lead = rng.choice(tuple(PALETTES))
    drums = rng.random() < 0.5
    usual, other = (theory.DRUM_GENRES, theory.QUIET_GENRES)[:: 1 if drums else -1]
    genre = rng.choice(usual if rng.random() < 0.92 else other)
    return Spec(
        seed=seed,
        beat_frames=rng.choice(theory.BEAT_FRAMES),
        root=rng.choice(theory.MAJOR_ROOTS if mode == "major" else theory.MINOR_ROOTS),
        mode=mode,
        lead=lead,
        genre=genre,
        drums=drums,
        high=PALETTES[lead].always_high or rng.random() < 0.5,
        loop=rng.randrange(4),
    )


def compose(spec: Spec) -> Piece:
    """Write the notes of a piece."""
    rng = random.Random(f"notes-{spec.seed}")
    bars = -(-PIECE_FRAMES // spec.bar_frames)
    notes = write_melody(spec, bars, rng) + write_chords(spec, bars)
    if spec.drums:
        notes += write_bass(spec, bars) + write_drums(spec, bars)
    kept = [clip_note(note) for note in notes if note.start < PIECE_FRAMES]
    return Piece(spec, tuple(sorted(kept, key=lambda note: (note.start, note.part, note.pitch))))


def clip_note(note: Note) -> Note:
    """End a note where the piece ends."""
    return replace(note, frames=min(note.frames, PIECE_FRAMES - note.start))


def chord_at(spec: Spec, slot: int) -> tuple[int, ...]:
    """The pitch classes of the chord at an eighth, counted from the start of the piece."""
    degree, quality = theory.LOOPS[spec.mode][spec.loop][slot * spec.chords_per_bar // SLOTS_PER_BAR % 4]
    return theory.chord_pitch_classes(spec.root, spec.mode, degree, quality)


def nearest(pitch: int, classes: tuple[int, ...], low: int, high: int) -> int:
    """The pitch of one of the classes that lies nearest, within a range of an octave or more."""
    candidates = [p for p in range(low, high + 1) if p % 12 in classes]
    return min(candidates, key=lambda p: (abs(p - pitch), p))


def write_phrase(spec: Spec, rng: random.Random) -> list[tuple[int, int, int]]:
    """A four-bar phrase over the loop: (bar, slot, duration in slots, pitch) without the bar's offset in time."""
    rhythms = SLOW_RHYTHMS if spec.beat_frames >= 32 else FAST_RHYTHMS
    motif, answer = rng.choice(rhythms), rng.choice(rhythms)
    low, high = (76, 89) if spec.high else (62, 75)
    scale = theory.scale_of(spec.root, spec.mode)
    pitch = rng.randint(low + 3, high - 3)
    phrase = []
    for bar, rhythm in enumerate((motif, motif, motif, answer)):
        slot = 0
        for duration in rhythm:
            strong = slot % 4 == 0
            target = pitch + rng.choice((-4, -3, -2, 2, 3, 4) if strong else (-2, -2, 2, 2))
            at = bar * SLOTS_PER_BAR + slot
            pitch = nearest(target, chord_at(spec, at) if strong else scale, low, high)
            phrase.append((at, duration, pitch))
            slot += duration
    return phrase


def write_melody(spec: Spec, bars: int, rng: random.Random) -> list[Note]:
    """Two phrases in the order A A B A, so that a piece repeats itself as songs do."""
    first, second = write_phrase(spec, rng), write_phrase(spec, rng)
    slot_frames = spec.beat_frames // 2
    notes = []
    for index, phrase in enumerate((first, first, second, first, second)[: -(-bars // 4)]):
        offset = index * 4 * spec.bar_frames
        for slot, duration, pitch in phrase:
            notes.append(Note(offset + slot * slot_frames, duration * slot_frames - 1, pitch, 116, "lead"))
    return notes


def write_chords(spec: Spec, bars: int) -> list[Note]:
    """The accompaniment, the same figure in every bar."""
    pattern = theory.CHORD_PATTERNS[spec.genre]
    slot_frames = spec.beat_frames // 2
    notes = []
    for bar in range(bars):
        for slot, voices in chord_figure(pattern):
            at = bar * SLOTS_PER_BAR + slot
            voicing = sorted(nearest(54, (pc,), 48, 59) for pc in chord_at(spec, at))
            frames = (slot_frames if pattern != "beats" else 2 * slot_frames) - 2
            loudness = 84 if slot % 4 == 0 else 70
            notes += [Note(at * slot_frames, frames, voicing[voice], loudness, "chord") for voice in voices]
    return notes


def chord_figure(pattern: str) -> list[tuple[int, tuple[int, ...]]]:
    """Which voices of the chord sound at which eighth of the bar."""
    if pattern == "arpeggio":
        return [(slot, (voice,)) for slot, voice in enumerate((0, 1, 2, 1, 0, 1, 2, 1))]
    slots = {"beats": (0, 2, 4, 6), "offbeats": (0, 1, 3, 4, 5, 7), "eighths": tuple(range(8))}[pattern]
    return [(slot, (0, 1, 2)) for slot in slots]


def write_bass(spec: Spec, bars: int) -> list[Note]:
    """Roots on the first and third beat."""
    notes = []
    for bar in range(bars):
        for beat in (0, 2):
            root = chord_at(spec, bar * SLOTS_PER_BAR + 2 * beat)[0]
            pitch = nearest(41, (root,), 36, 47)
            start = bar * spec.bar_frames + beat * spec.beat_frames
            notes.append(Note(start, 2 * spec.beat_frames - 2, pitch, 92, "bass"))
    return notes


def write_drums(spec: Spec, bars: int) -> list[Note]:
    """One bar of the genre's pattern, over and over."""
    pattern = theory.DRUM_PATTERNS.get(spec.genre, theory.DRUM_PATTERNS["pop"])
    slot_frames = spec.beat_frames // 2
    return [
        Note(bar * spec.bar_frames + slot * slot_frames, 5, key, 100 if key in (36, 38, 39) else 72, "drum")
        for bar in range(bars)
        for key, slots in pattern.items()
        for slot in slots
    ]
