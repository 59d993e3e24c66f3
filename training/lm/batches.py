"""Draw what the language model trains on: music composed on the fly, with a caption and its melody, or without.

There is no data set: a seed gives a piece, its codes and its melody in a few milliseconds. Three kinds of crops:

    starts   the first half second: what text and melody decide before there is a past to copy from
    windows  two seconds from anywhere in a piece, at their true positions, with the melody around them
    wholes   30 s with all of the melody, as in generation
"""

import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from training.data.caption import caption
from training.data.chroma import CHROMA_FRAMES, FRAMES_PER_CHROMA, NULL_CLASS, simulate
from training.data.composer import HELD_OUT_SEED, Composition, Spec, compose, draw_spec
from training.data.theory import KITS, SEGMENT_FRAMES
from training.data.tokens import BOOKS, CLOCK, DRUMS, HARMONY, LEAD, LEADS, write_codes
from training.data.words import TONICS

START_FRAMES, WINDOW_FRAMES, SHORT_FRAMES = 24, 96, 400
MARGIN = 3  # chroma frames kept on either side of a window's own
START_WEIGHT, CHORD_WEIGHT, ATTACK_WEIGHT, SLOT_WEIGHT = 20.0, 10.0, 10.0, 4.0
RENAMED_SHARE = 0.6  # of plain keys drawn again: sharp and flat ones have four names each, and each must be met
CORRUPTED = 0.005  # of the codes that the model sees: it must recover from its own mistakes


@dataclass(frozen=True)
class Batch:
    """Hold what a step trains on. `music_from` and `melody_from` say where in the composition the crop lies."""

    seen: torch.Tensor  # [batch, 4, frames], as `codes`, some of them wrong
    codes: torch.Tensor  # [batch, 4, frames]
    before: torch.Tensor | None  # [batch, 4, 4] codes of the four frames before, None where music begins
    weights: torch.Tensor  # [batch, 4, frames]
    melody: torch.Tensor  # [batch, chroma frames] pitch classes
    texts: list[str]
    music_from: torch.Tensor  # [batch, 1]
    melody_from: torch.Tensor  # [batch, 1]
    sung: torch.Tensor  # [batch] whether there is a melody

    def to(self, device: str) -> "Batch":
        moved: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, torch.Tensor)
        }
        return replace(self, **moved)


@dataclass(frozen=True)
class Example:
    """Hold one composition's codes with its conditions."""

    spec: Spec
    codes: np.ndarray  # int16 [4, PIECE_FRAMES]
    weights: np.ndarray  # float32 [4, PIECE_FRAMES]
    melody: np.ndarray  # uint8 [235]
    text: str
    sung: bool


class BatchSource:
    """Draw batches without end, from one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"batches-{seed}")
        self.noise = np.random.default_rng(seed)

    def example(self, frames: int = SEGMENT_FRAMES) -> Example:
        """Compose anew; of the melody the first `frames` are given, and repeat."""
        rng = self.rng
        spec = draw_spec(rng.randrange(HELD_OUT_SEED))
        if len(TONICS[spec.tonic]) == 1 and rng.random() < RENAMED_SHARE:
            spec = draw_spec(rng.randrange(HELD_OUT_SEED))
        composition = compose(spec)
        text = "" if rng.random() < 0.12 else caption(composition.spec, rng, keep=rng.choice((0.6, 0.8, 1.0))).text
        sung = rng.random() < (0.5 if text else 0.35)
        codes, weights = write_codes(composition), weigh(composition)
        begin = 0
        if rng.random() < 0.08:  # later windows of a long piece begin anywhere
            begin = rng.randrange(SEGMENT_FRAMES // 2)
            codes, weights = np.roll(codes, -begin, axis=1), np.roll(weights, -begin, axis=1)
            frames = min(frames, SEGMENT_FRAMES - begin)
        weights[:, 0] = np.maximum(weights[:, 0], START_WEIGHT if begin == 0 else 1.0)
        melody = (
            simulate(composition.melody, begin, frames, rng) if sung else np.full(CHROMA_FRAMES, NULL_CLASS, np.uint8)
        )
        return Example(composition.spec, codes, weights, melody, text, sung)

    def starts(self, size: int) -> Batch:
        examples = [self.example() for _ in range(size)]
        return self.batch(examples, [0] * size, START_FRAMES, local=True)

    def windows(self, size: int) -> Batch:
        examples = [self.example() for _ in range(size)]
        begins = [self.rng.randrange(BOOKS, SEGMENT_FRAMES - WINDOW_FRAMES) for _ in range(size)]
        return self.batch(examples, begins, WINDOW_FRAMES, local=True)

    def shorts(self, size: int) -> Batch:
        """Draw 8 s from the beginning, with a melody of 8 s that repeats."""
        examples = [self.example(SHORT_FRAMES) for _ in range(size)]
        return self.batch(examples, [0] * size, SHORT_FRAMES, local=False)

    def segments(self, size: int) -> Batch:
        return self.batch([self.example() for _ in range(size)], [0] * size, SEGMENT_FRAMES, local=False)

    def batch(self, examples: list[Example], begins: list[int], frames: int, local: bool) -> Batch:
        """Crop examples to one length; `local` keeps only the melody near them."""
        spans = [slice(begin, begin + frames) for begin in begins]
        codes = np.stack([e.codes[:, span] for e, span in zip(examples, spans, strict=True)]).astype(np.int64)
        weights = np.stack([e.weights[:, span] for e, span in zip(examples, spans, strict=True)])
        firsts = [max(0, int(begin / FRAMES_PER_CHROMA) - MARGIN) if local else 0 for begin in begins]
        count = int(frames / FRAMES_PER_CHROMA) + 2 * MARGIN if local else CHROMA_FRAMES
        firsts = [min(first, CHROMA_FRAMES - count) for first in firsts]
        melody = np.stack([e.melody[first : first + count] for e, first in zip(examples, firsts, strict=True)])
        before = None
        if min(begins) >= BOOKS:
            before = np.stack([e.codes[:, b - BOOKS : b] for e, b in zip(examples, begins, strict=True)])
        return Batch(
            seen=torch.from_numpy(self.corrupted(codes)),
            codes=torch.from_numpy(codes),
            before=None if before is None else torch.from_numpy(before.astype(np.int64)),
            weights=torch.from_numpy(weights),
            melody=torch.from_numpy(melody),
            texts=[e.text for e in examples],
            music_from=torch.tensor(begins)[:, None],
            melody_from=torch.tensor(firsts)[:, None],
            sung=torch.tensor([e.sung for e in examples]),
        )

    def corrupted(self, codes: np.ndarray) -> np.ndarray:
        """Change some codes of the batch for those of another example."""
        wrong = self.noise.random(codes.shape) < CORRUPTED
        return np.where(wrong, np.roll(codes, 1, axis=0), codes)


def weigh(composition: Composition) -> np.ndarray:
    """Return how much each code counts: what merely goes on counts little. -> float32 [4, SEGMENT_FRAMES]"""
    weights = np.ones((BOOKS, SEGMENT_FRAMES), dtype=np.float32)
    slot = composition.spec.slot_frames
    weights[LEAD, ::slot] = SLOT_WEIGHT
    weights[LEAD, [note.start for note in composition.melody]] = ATTACK_WEIGHT
    weights[HARMONY, :: composition.chord_frames] = CHORD_WEIGHT
    weights[CLOCK, :: composition.spec.beat_frames] = 2.0
    if composition.spec.kit in KITS:
        weights[DRUMS, ::slot] = 2.0
    return weights


def is_attack(codes: torch.Tensor) -> torch.Tensor:
    """Tell where a melody code begins a note. codes: any shape"""
    table = torch.tensor([lead is not None and lead.step == 0 for lead in LEADS] + [False] * (512 - len(LEADS)))
    return table[codes]
