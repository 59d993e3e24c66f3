"""What the language model trains on: crops of coded pieces, each with a fresh caption and its melody, or without.

Crops begin at a bar, as music does that begins when the generation begins. Short crops (8 s) are quick; whole pieces
teach the positions of the rest of the 30 s.
"""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from training.data.caption import caption
from training.data.composer import draw_spec
from training.data.dataset import CHROMA_FRAMES

CROP_FRAMES, CROP_CHROMA = 400, 64  # 8 s of codes, and of melody; later melody frames repeat them
BRIEF_FRAMES, BRIEF_CHROMA = 60, 12  # 1.2 s
NULL_MELODY = 0  # audiocraft's null: the chroma of silence, whose largest bin is the first


@dataclass(frozen=True)
class Batch:
    codes: torch.Tensor  # [batch, 4, frames]
    melody: torch.Tensor  # [batch, chroma frames] pitch classes
    texts: list[str]

    def to(self, device: str) -> "Batch":
        return Batch(self.codes.to(device), self.melody.to(device), self.texts)


class Pieces:
    """The coded pieces of a data folder, kept in memory; `refresh` picks up those encoded since."""

    def __init__(self, data: Path, seed: int) -> None:
        self.data, self.rng = data, random.Random(f"batches-{seed}")
        self.codes: dict[int, np.ndarray] = {}
        self.melody: dict[int, np.ndarray] = {}
        self.refresh()

    def refresh(self) -> None:
        for path in (self.data / "codes").glob("[0-9]*.npy"):
            seed = int(path.stem)
            if seed not in self.codes and (self.data / "melody" / path.name).exists():
                self.codes[seed] = np.load(path)
                self.melody[seed] = np.load(self.data / "melody" / path.name)
        self.seeds = sorted(self.codes)

    def words(self, seed: int) -> str:
        """A new caption each time; none for one in ten, for classifier-free guidance."""
        return "" if self.rng.random() < 0.1 else caption(draw_spec(seed), self.rng).text

    def classes(self, row: np.ndarray, has_text: bool) -> np.ndarray:
        """The melody, or none for half; without text the null melody is drawn more often (the null of guidance)."""
        null = self.rng.random() < (0.45 if has_text else 0.7)
        return np.full_like(row, NULL_MELODY) if null else row

    def short(self, size: int) -> Batch:
        """8 s crops from any bar on, with the melody frames of these 8 s."""
        return self._batch(size, CROP_FRAMES, CROP_CHROMA, whole=False)

    def brief(self, size: int) -> Batch:
        """Many crops of 1.2 s: with little past to copy from, text and melody must be listened to."""
        return self._batch(size, BRIEF_FRAMES, BRIEF_CHROMA, whole=False)

    def whole(self, size: int) -> Batch:
        """Whole pieces with all of their melody."""
        return self._batch(size, 1500, CHROMA_FRAMES, whole=True)

    def _batch(self, size: int, frames: int, chroma: int, whole: bool) -> Batch:
        codes, melody, texts = [], [], []
        for seed in self.rng.choices(self.seeds, k=size):
            table = self.melody[seed]
            bar = 0 if whole else self.rng.randrange(len(table))
            start = bar * draw_spec(seed).bar_frames
            codes.append(self.codes[seed][:, start : start + frames].astype(np.int64))
            texts.append(self.words(seed))
            melody.append(self.classes(table[bar][:chroma], bool(texts[-1])))
        return Batch(torch.from_numpy(np.stack(codes)), torch.from_numpy(np.stack(melody)), texts)
