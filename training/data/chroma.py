"""Compute a melody's chroma as the conditioner extracts it: simulated from the notes, or extracted from audio.

The conditioner takes windows of 2^14 samples every 4096 (6.4 codec frames), and of each only the loudest pitch
class. So the notes say nearly all of it: training needs no sound.
"""

import random
from functools import lru_cache

import numpy as np
import torch

from training.data.composer import Note
from training.data.theory import FRAME_SAMPLES, SAMPLE_RATE_HZ, SEGMENT_FRAMES
from worker.engine.imports.audiocraft import ChromaExtractor

CHROMA_FRAMES = 235  # what 30 s of melody become in the conditioner
WINDOW_EXP = 14
WINDOW, HOP = 2**WINDOW_EXP, 2**WINDOW_EXP // 4
FRAMES_PER_CHROMA = HOP / FRAME_SAMPLES
NULL_CLASS = 0  # audiocraft's null: the chroma of silence, whose largest bin is the first


def chroma_count(frames: int) -> int:
    """Count the chroma frames of so many codec frames."""
    return int(frames * FRAME_SAMPLES // HOP) + 1


@lru_cache
def extractor() -> ChromaExtractor:
    """Return the melody conditioner's own extractor."""
    return ChromaExtractor(SAMPLE_RATE_HZ, 12, WINDOW_EXP, argmax=True)


def extract_chroma(wave: np.ndarray) -> np.ndarray:
    """Extract a wave's chroma, repeated or cut to the conditioner's fixed length. -> uint8 [235] pitch classes"""
    chroma = extractor()(torch.from_numpy(np.ascontiguousarray(wave))[None])[0]  # [frames, 12]
    return np.resize(chroma.argmax(-1).numpy().astype(np.uint8), CHROMA_FRAMES)


@lru_cache
def windows() -> np.ndarray:
    """Return each codec frame's weight in each chroma frame, ends reflected as by the extractor.

    -> [235, SEGMENT_FRAMES]
    """
    reach = round(WINDOW / 2 / FRAME_SAMPLES) + 1
    centre = np.arange(CHROMA_FRAMES)[:, None] * FRAMES_PER_CHROMA
    frame = np.arange(-reach, SEGMENT_FRAMES + reach)
    distance = (frame[None] + 0.5 - centre) * FRAME_SAMPLES / WINDOW
    weight = np.where(np.abs(distance) < 0.5, np.cos(np.pi * distance) ** 2, 0.0)
    inner = weight[:, reach:-reach].copy()
    inner[:, :reach] += weight[:, :reach][:, ::-1]
    inner[:, -reach:] += weight[:, -reach:][:, ::-1]
    return inner.astype(np.float32)


def activity(notes: tuple[Note, ...], rng: random.Random) -> np.ndarray:
    """Draw how loud each pitch class is in each codec frame; some voices decay. -> [SEGMENT_FRAMES, 12]"""
    sung = np.zeros((SEGMENT_FRAMES, 12), dtype=np.float32)
    decay_frames = rng.choice((1e9, 1e9, 80.0, 40.0, 20.0))
    late = rng.randint(-2, 3)  # people are not exactly on time, nor is their attack
    for note in notes:
        begin, end = max(0, note.start + late), min(SEGMENT_FRAMES, note.start + note.frames + late)
        if begin < end:
            level = rng.uniform(0.8, 1.2)
            sung[begin:end, note.pitch % 12] = level * np.exp(-np.arange(end - begin) / decay_frames)
    return sung


def simulate(notes: tuple[Note, ...], start: int, frames: int, rng: random.Random, faulty: bool = True) -> np.ndarray:
    """Simulate the chroma of these notes from a frame on; a shorter melody repeats. -> uint8 [235]"""
    sung = activity(notes, rng)[start : start + frames]
    count = chroma_count(frames)
    loudest = (windows()[:count, : len(sung)] @ sung).argmax(axis=1)
    if faulty:
        loudest = add_mistakes(loudest, rng)
    return np.resize(loudest, CHROMA_FRAMES).astype(np.uint8)


def add_mistakes(classes: np.ndarray, rng: random.Random) -> np.ndarray:
    """Add mistakes as real extractions have them: neighbours where the pitch changes, and anything now and then."""
    classes = classes.copy()
    rate, sloppiness = rng.choice((0.0, 0.01, 0.04)), rng.choice((0.0, 0.1, 0.3))
    for index in range(len(classes)):
        changing = index + 1 < len(classes) and classes[index] != classes[index + 1]
        if changing and rng.random() < sloppiness:
            classes[index] = (classes[index] + rng.choice((-1, 1))) % 12
        elif rng.random() < rate:
            classes[index] = rng.choice((rng.randrange(12), (classes[index] + 7) % 12))
    return classes
