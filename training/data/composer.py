"""Compose from a seed: what is asked for (`Spec`) and the notes that fulfil it (`Composition`). No audio, no words."""

import random
from dataclasses import dataclass
from functools import cached_property

from training.data import theory
from training.data.theory import ACCOMPANIMENT, REGISTERS, SEGMENT_FRAMES, SLOTS_PER_CHORD

# Durations in eighths, two chords each. Quick pieces get longer notes: the melody metric's window is half a second.
SLOW_RHYTHMS = ((2, 2, 2, 2), (4, 2, 2), (3, 1, 4), (2, 1, 1, 4), (4, 4), (2, 2, 4), (1, 1, 2, 2, 2))
FAST_RHYTHMS = ((2, 2, 4), (4, 4), (4, 2, 2), (6, 2), (2, 2, 2, 2), (8,))
HELD_OUT_SEED = 10**12  # evaluation composes from here on, and training below
FREE_SHARE = 0.4  # of the pieces have a melody that wanders, and chords that follow it


@dataclass(frozen=True)
class Spec:
    """Describe a composition: everything that a caption may name."""

    seed: int
    beat_frames: int
    tonic: int
    mode: str
    lead: str
    genre: str
    kit: str  # of theory.KITS, or empty
    high: bool

    @property
    def drums(self) -> bool:
        return bool(self.kit)

    @property
    def scale(self) -> int:
        return theory.scale_number(self.tonic, self.mode)

    @property
    def slot_frames(self) -> int:
        return self.beat_frames // 2

    @property
    def accompaniment(self) -> int:
        return ACCOMPANIMENT[self.lead]


@dataclass(frozen=True)
class Note:
    """Describe one note of the melody on the frame grid."""

    start: int
    frames: int
    pitch: int


@dataclass(frozen=True)
class Composition:
    """Hold chords (degrees, two beats each) and a melody without overlaps, both covering SEGMENT_FRAMES."""

    spec: Spec
    chords: tuple[int, ...]
    melody: tuple[Note, ...]

    @cached_property
    def chord_frames(self) -> int:
        return 2 * self.spec.beat_frames


def draw_spec(seed: int) -> Spec:
    """Draw a composition's properties."""
    rng = random.Random(f"spec-{seed}")
    lead = rng.choice(theory.LEAD_NAMES)
    kit = rng.choice(tuple(theory.KITS)) if rng.random() < 0.5 else ""
    return Spec(
        seed=seed,
        beat_frames=rng.choice(theory.BEAT_FRAMES),
        tonic=rng.randrange(12),
        mode=rng.choice(theory.MODES),
        lead=lead,
        genre=rng.choice(theory.KIT_GENRES[kit]),
        kit=kit,
        high=lead in theory.ALWAYS_HIGH or rng.random() < 0.5,
    )


def compose(spec: Spec) -> Composition:
    """Write the chords and the melody."""
    rng = random.Random(f"notes-{spec.seed}")
    count = -(-SEGMENT_FRAMES // (2 * spec.beat_frames))
    if rng.random() < FREE_SHARE:
        slots = free_melody(spec, count * SLOTS_PER_CHORD, rng)
        chords = harmonize(spec, slots, count)
    else:
        loop = rng.choice(theory.LOOPS[spec.mode])
        chords = tuple(loop[index % 4] for index in range(count))
        slots = repeat_phrases(spec, loop, count, rng)
    notes = [note_at(spec, *slot) for slot in slots if slot[0] * spec.slot_frames < SEGMENT_FRAMES]
    return Composition(spec, chords, tuple(notes))


Slot = tuple[int, int, int]  # start and duration in eighths, pitch


def note_at(spec: Spec, start: int, duration: int, pitch: int) -> Note:
    """Lay a note on the frame grid, ended where the composition ends."""
    begin = start * spec.slot_frames
    return Note(begin, min(duration * spec.slot_frames, SEGMENT_FRAMES - begin), pitch)


def nearest(pitch: int, classes: frozenset[int] | tuple[int, ...], high: bool) -> int:
    """Return the pitch of one of the classes that lies nearest, within the register."""
    low, top = REGISTERS[high]
    return min((p for p in range(low, top + 1) if p % 12 in classes), key=lambda p: (abs(p - pitch), p))


def repeat_phrases(spec: Spec, loop: tuple[int, ...], count: int, rng: random.Random) -> list[Slot]:
    """Write two phrases of one loop each in the order A A B A, so that the music repeats itself as songs do."""
    first, second = write_phrase(spec, loop, rng), write_phrase(spec, loop, rng)
    order = (first, first, second, first)
    length = 4 * SLOTS_PER_CHORD
    return [
        (index * length + start, duration, pitch)
        for index in range(-(-count // 4))
        for start, duration, pitch in order[index % 4]
    ]


def write_phrase(spec: Spec, loop: tuple[int, ...], rng: random.Random) -> list[Slot]:
    """Write a melody over one loop: a rhythm, the same or another one, and a short rest at the end now and then."""
    rhythms = SLOW_RHYTHMS if spec.beat_frames >= 32 else FAST_RHYTHMS
    motif = rng.choice(rhythms)
    reply = rng.choice((motif, rng.choice(rhythms)))
    low, top = REGISTERS[spec.high]
    scale, pitch = theory.scale_of(spec.scale), rng.randint(low + 2, top - 2)
    phrase, at = [], 0
    for duration in motif + reply:
        chord = theory.triad(spec.scale, loop[at // SLOTS_PER_CHORD])
        strong = at % SLOTS_PER_CHORD == 0
        target = pitch + rng.choice((-4, -3, -2, 2, 3, 4) if strong else (-2, -2, 2, 2, -4, 4))
        pitch = nearest(target, chord if strong else scale, spec.high)
        phrase.append((at, duration, pitch))
        at += duration
    if phrase[-1][1] >= 4 and rng.random() < 0.4:
        start, duration, pitch = phrase[-1]
        phrase[-1] = (start, duration - 2, pitch)
    return phrase


def free_melody(spec: Spec, length: int, rng: random.Random) -> list[Slot]:
    """Walk in the scale with leaps, any rhythm and some rests, as people hum. It begins near the home note."""
    low, top = REGISTERS[spec.high]
    scale = theory.scale_of(spec.scale)
    durations = (1, 2, 2, 3, 4, 4, 6) if spec.beat_frames >= 32 else (2, 2, 3, 4, 4, 6, 8)
    pitch, at, slots = (
        nearest(rng.randint(low, top), theory.triad(spec.scale, theory.HOME[spec.mode]), spec.high),
        0,
        [],
    )
    while at < length:
        duration = rng.choice(durations)
        slots.append((at, duration, pitch))
        at += duration
        if rng.random() < 0.06:
            at += rng.choice((1, 2))
        pitch = nearest(pitch + rng.choice((-7, -5, -4, -3, -2, -2, -1, 0, 1, 2, 2, 3, 4, 5, 7)), scale, spec.high)
    return slots


def harmonize(spec: Spec, slots: list[Slot], count: int) -> tuple[int, ...]:
    """Choose for every two beats the triad with most of the melody's notes there; home first, repetitions shunned."""
    chords: list[int] = []
    for index in range(count):
        begin, end = index * SLOTS_PER_CHORD, (index + 1) * SLOTS_PER_CHORD
        sung = [(min(start + duration, end) - max(start, begin), pitch % 12) for start, duration, pitch in slots]

        def fit(degree: int, sung: list[tuple[int, int]] = sung, index: int = index) -> float:
            members = theory.triad(spec.scale, degree)
            matched = sum(overlap for overlap, pitch in sung if overlap > 0 and pitch in members)
            home = 3.0 if degree == theory.HOME[spec.mode] and index % 4 == 0 else 0.0
            return (
                matched
                + home
                - 1.5 * (bool(chords) and chords[-1] == degree)
                - 0.8 * (degree in (1, 2))
                - 0.01 * degree
            )

        chords.append(theory.HOME[spec.mode] if index == 0 else max(range(6), key=fit))
    return tuple(chords)
