"""Compute the codebooks' vectors. A code's vector says what it sounds like, and which code it is.

    LOUDNESS_DIM  85 loudnesses of semitones; those of harmony and melody add up
    DRUM_DIM      which recorded frames of drums sound
    CONSTANT_DIM  1 in every frame
    NAME_DIM      20 numbers for each codebook, far apart: by these the residual quantizer tells codes from their sum

The decoder hears the first three and ignores the names, which only the encoder has to find.
"""

from collections.abc import Callable

import numpy as np
import torch

from training.codec.instruments import DRUM_FRAMES, NOTE_FRAMES, SEMITONES, measure, measure_drum
from training.data.render import Player
from training.data.theory import BASSES, CHORDS, KITS, LEADS, LOWEST_BASS, LOWEST_CHORD, STRUCK, triad
from training.data.tokens import BINS, BOOKS, CLOCK, DRUMS, HARMONIES, HARMONY, HARMONY_AGES, HITS, LEAD, LEAD_AGES
from training.data.tokens import LEADS as LEAD_CODES

LOUDNESS_DIM, DRUM_DIM, CONSTANT_DIM, NAME_DIM = 0, SEMITONES, 170, 171
NAME_SIZE = 20
DIMENSION = 256
LOUDNESS_UNIT = 0.25  # amplitude of a semitone whose number is 1
NAME_LENGTH = 4.0

Table = dict[int, np.ndarray]  # pitch -> [NOTE_FRAMES, SEMITONES]


def step_loudness(table: np.ndarray, starts: tuple[int, ...], step: int, last_frame: int = 30) -> np.ndarray:
    """Return the mean loudness over the ages of one step. -> [SEMITONES]"""
    end = starts[step + 1] if step + 1 < len(starts) else min(last_frame, NOTE_FRAMES)
    loudness: np.ndarray = np.sqrt((table[starts[step] : end] ** 2).mean(axis=0))
    return loudness


def lead_loudness(player: Player) -> np.ndarray:
    """Measure the loudness of each melody code. -> [BINS, SEMITONES]"""
    lowest = min(lead.pitch for lead in LEAD_CODES if lead)
    highest = max(lead.pitch for lead in LEAD_CODES if lead)
    tables = {name: measure(player, LEADS[name], range(lowest, highest + 1)) for name in LEADS}
    rows = np.zeros((BINS, SEMITONES))
    for code, lead in enumerate(LEAD_CODES):
        if lead is not None:
            rows[code] = step_loudness(tables[lead.instrument][lead.pitch], LEAD_AGES, lead.step)
    return rows


def harmony_loudness(player: Player) -> np.ndarray:
    """Measure each harmony code: three chord notes and a bass note, an octave of range each. -> [BINS, SEMITONES]"""
    chords = {kind: measure(player, CHORDS[kind], range(LOWEST_CHORD, LOWEST_CHORD + 12)) for kind in CHORDS}
    basses = {kind: measure(player, BASSES[kind], range(LOWEST_BASS, LOWEST_BASS + 12)) for kind in BASSES}
    rows = np.zeros((BINS, SEMITONES))
    for code, harmony in enumerate(HARMONIES):
        ages, kind = HARMONY_AGES[harmony.accompaniment], harmony.accompaniment
        classes = triad(harmony.scale, harmony.degree)
        tables = [chords[kind][LOWEST_CHORD + pitch] for pitch in classes] + [basses[kind][LOWEST_BASS + classes[0]]]
        loudnesses = [step_loudness(table, ages, harmony.step, 24 if kind == STRUCK else 40) for table in tables]
        rows[code] = np.sqrt(np.square(loudnesses).sum(axis=0))
    return rows


def drum_frames(player: Player) -> tuple[np.ndarray, dict[int, int]]:
    """Record all drums' frames, and say at which of them each drum begins. -> [count, FRAME_SAMPLES]"""
    keys = sorted({key for hits in KITS.values() for hit in hits for key in hit})
    firsts, count = {}, 0
    for key in keys:
        firsts[key] = count
        count += DRUM_FRAMES[key]
    return np.concatenate([measure_drum(player, key) for key in keys]), firsts


def names(generator: np.random.Generator, tries: int = 40) -> np.ndarray:
    """Draw vectors far from each other: of many the one farthest from those before it. -> [BINS, NAME_SIZE]

    All have one length, so that the distance to the nearest follows from the largest product.
    """
    chosen = np.zeros((BINS, NAME_SIZE))
    for number in range(BINS):
        drawn = generator.standard_normal((tries, NAME_SIZE))
        drawn *= NAME_LENGTH / np.linalg.norm(drawn, axis=1, keepdims=True)
        closest = (drawn @ chosen[:number].T).max(axis=1, initial=-np.inf)
        chosen[number] = drawn[closest.argmin()]
    return chosen


def make_codebooks(player: Player, seed: int = 1) -> tuple[torch.Tensor, np.ndarray]:
    """Compute the vectors [BOOKS, BINS, DIMENSION], and the drum frames that they refer to."""
    generator = np.random.default_rng(seed)
    vectors = np.zeros((BOOKS, BINS, DIMENSION))
    for book in range(BOOKS):
        first = NAME_DIM + book * NAME_SIZE
        vectors[book, :, first : first + NAME_SIZE] = names(generator)
    vectors[CLOCK, :, CONSTANT_DIM] = 1.0
    loud: dict[int, Callable[[Player], np.ndarray]] = {HARMONY: harmony_loudness, LEAD: lead_loudness}
    for book, measured in loud.items():
        vectors[book, :, LOUDNESS_DIM : LOUDNESS_DIM + SEMITONES] = measured(player) / LOUDNESS_UNIT
    frames, firsts = drum_frames(player)
    for code, hit in enumerate(HITS):
        for key in hit.keys if hit else ():
            if hit and hit.age < DRUM_FRAMES[key]:
                vectors[DRUMS, code, DRUM_DIM + firsts[key] + hit.age] = 1.0
    return torch.from_numpy(vectors).float(), frames
