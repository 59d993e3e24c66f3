"""Define what each code means. Every codebook speaks for one voice, so that codes can be written without any audio.

    0  the clock: tempo, which of a chord's two beats, and frames since the beat
    1  the drums: what was hit last, and frames since; or none
    2  the harmony: scale, which of its triads, accompaniment and age in coarse steps (chord and bass together)
    3  the melody: pitch, instrument, age in coarse steps; or rest

All counting is exact and visible in the present frame: what follows is nearly a function of what is, and a small
language model is free to attend to what was asked.
"""

from dataclasses import dataclass

import numpy as np

from training.data.composer import Composition
from training.data.theory import (
    BEAT_FRAMES,
    HIGHEST_LEAD,
    KITS,
    LEAD_NAMES,
    LOWEST_LEAD,
    SEGMENT_FRAMES,
    STRUCK,
    SUSTAINED,
)

BINS, BOOKS = 512, 4
CLOCK, DRUMS, HARMONY, LEAD = range(BOOKS)

# First frame of each age step.
HARMONY_AGES = {STRUCK: (0, 1, 3, 9), SUSTAINED: (0, 2, 6)}
LEAD_AGES = (0, 1, 3, 10)
HARMONY_STEPS = sum(len(ages) for ages in HARMONY_AGES.values())
HARMONY_OFFSET = {STRUCK: 0, SUSTAINED: len(HARMONY_AGES[STRUCK])}


@dataclass(frozen=True)
class Clock:
    beat_frames: int
    second: bool
    age: int


@dataclass(frozen=True)
class DrumHit:
    keys: frozenset[int]
    kit: str
    age: int


@dataclass(frozen=True)
class Harmony:
    scale: int
    degree: int
    accompaniment: int
    step: int  # into HARMONY_AGES


@dataclass(frozen=True)
class Lead:
    pitch: int
    instrument: str
    step: int  # into LEAD_AGES


def clock_table() -> list[Clock]:
    return [Clock(beat, second, age) for beat in BEAT_FRAMES for second in (False, True) for age in range(beat)]


def drum_table() -> list[DrumHit | None]:
    """List the drum codes: 0 is no drums, then each kind of hit once per kit, aged up to the longest gap after it."""
    table: list[DrumHit | None] = [None]
    for kit, hits in KITS.items():
        kinds = dict.fromkeys(hit for hit in hits if hit)
        longest = max(BEAT_FRAMES) // (2 if all(hits) else 1)
        table += [DrumHit(keys, kit, age) for keys in kinds for age in range(longest)]
    return table


def harmony_table() -> list[Harmony]:
    return [
        Harmony(scale, degree, accompaniment, step)
        for scale in range(12)
        for degree in range(6)
        for accompaniment, ages in HARMONY_AGES.items()
        for step in range(len(ages))
    ]


def lead_table() -> list[Lead | None]:
    """List the melody codes: 0 is a rest."""
    pitches = range(LOWEST_LEAD, HIGHEST_LEAD + 1)
    steps = range(len(LEAD_AGES))
    return [None, *(Lead(pitch, name, step) for name in LEAD_NAMES for pitch in pitches for step in steps)]


CLOCKS, HITS, HARMONIES, LEADS = clock_table(), drum_table(), harmony_table(), lead_table()
CLOCK_CODE = {meaning: code for code, meaning in enumerate(CLOCKS)}
HIT_CODE = {meaning: code for code, meaning in enumerate(HITS)}
LEAD_CODE = {meaning: code for code, meaning in enumerate(LEADS)}


def steps_of(ages: np.ndarray, starts: tuple[int, ...]) -> np.ndarray:
    """Return the number of the step that each age in frames is in."""
    return np.searchsorted(np.array(starts), ages, side="right") - 1


def write_codes(composition: Composition) -> np.ndarray:
    """Write a composition's codes. -> int16 [4, SEGMENT_FRAMES]"""
    frame = np.arange(SEGMENT_FRAMES)
    rows = (
        clock_row(composition, frame),
        drum_row(composition, frame),
        harmony_row(composition, frame),
        lead_row(composition),
    )
    return np.stack(rows).astype(np.int16)


def clock_row(composition: Composition, frame: np.ndarray) -> np.ndarray:
    beat = composition.spec.beat_frames
    return CLOCK_CODE[Clock(beat, False, 0)] + frame % (2 * beat)


def drum_row(composition: Composition, frame: np.ndarray) -> np.ndarray:
    """Write the drum codes: a slot without a hit goes on with the ages of the hit before it."""
    spec = composition.spec
    if not spec.kit:
        return np.zeros(len(frame), dtype=np.int64)
    period = np.zeros(4 * spec.slot_frames, dtype=np.int64)
    for slot, keys in enumerate(KITS[spec.kit]):
        if keys:
            rest = np.arange(len(period) - slot * spec.slot_frames)
            last = len(HITS)
            codes = [HIT_CODE.get(DrumHit(keys, spec.kit, int(age)), last) for age in rest]
            period[slot * spec.slot_frames :] = codes
    row: np.ndarray = period[frame % len(period)]
    return row


def harmony_row(composition: Composition, frame: np.ndarray) -> np.ndarray:
    spec = composition.spec
    again = spec.beat_frames if spec.accompaniment == STRUCK else 2 * spec.beat_frames
    step = steps_of(frame % again, HARMONY_AGES[spec.accompaniment])
    degree = np.array(composition.chords)[frame // composition.chord_frames]
    chord = (spec.scale * 6 + degree) * HARMONY_STEPS
    row: np.ndarray = chord + HARMONY_OFFSET[spec.accompaniment] + step
    return row


def lead_row(composition: Composition) -> np.ndarray:
    row = np.zeros(SEGMENT_FRAMES, dtype=np.int64)
    for note in composition.melody:
        first = LEAD_CODE[Lead(note.pitch, composition.spec.lead, 0)]
        row[note.start : note.start + note.frames] = first + steps_of(np.arange(note.frames), LEAD_AGES)
    return row
