"""What encoder and decoder train on: random (codes, wave) crops of the coded pieces."""

from pathlib import Path

import numpy as np
import torch

from training.data.theory import FRAME_SAMPLES

CROP_FRAMES = 64
EDGE_FRAMES = 6  # a crop's edges lack the neighbours that its codes were made with: not counted in the loss


class Crops:
    """Random crops of a data folder; looks again for new pieces now and then."""

    def __init__(self, data: Path, seed: int) -> None:
        self.data, self.rng = data, np.random.default_rng(seed)
        self.files: list[Path] = []

    def batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """[size, 4, frames], [size, 1, samples]"""
        if not self.files or self.rng.random() < 0.005:
            self.files = sorted((self.data / "codes").glob("[0-9]*.npy"))
        pairs = [self.crop(self.files[index]) for index in self.rng.integers(len(self.files), size=size)]
        codes, waves = (torch.from_numpy(np.stack(part)) for part in zip(*pairs, strict=True))
        return codes, waves[:, None]

    def crop(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """One crop of one piece."""
        coded = np.load(path, mmap_mode="r")
        wave = np.load(self.data / "audio" / path.name, mmap_mode="r")
        start = int(self.rng.integers(0, coded.shape[1] - CROP_FRAMES + 1))
        span = wave[start * FRAME_SAMPLES : (start + CROP_FRAMES) * FRAME_SAMPLES]
        codes = np.asarray(coded[:, start : start + CROP_FRAMES], dtype=np.int64)
        return codes, np.asarray(span, dtype=np.float32) / 32768.0


def inner(signal: torch.Tensor, per_frame: int) -> torch.Tensor:
    """The part of a crop that counts. [batch, channels, time]"""
    return signal[..., EDGE_FRAMES * per_frame : -EDGE_FRAMES * per_frame]
