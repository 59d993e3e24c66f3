"""Name the speakers of a recording's channels, and mix them down by ITU-R BS.775-3, annex 4.

Where a file does not say, the order is WAVE's for that many channels. The low-frequency channel is left out, as the
recommendation allows: what is in it is meant to be heard besides, not instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

HALF_POWER = 0.5**0.5
MASK_ORDER = (
    "FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR",
)  # fmt: skip
BY_COUNT: dict[int, tuple[str, ...]] = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
SIDES: dict[str, tuple[float, float]] = {  # how loud each is on the left and on the right
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (HALF_POWER, HALF_POWER),
    "LFE": (0.0, 0.0),
    "LFE2": (0.0, 0.0),
    "BL": (HALF_POWER, 0.0),
    "BR": (0.0, HALF_POWER),
    "SL": (HALF_POWER, 0.0),
    "SR": (0.0, HALF_POWER),
    "BC": (0.5, 0.5),
    "FLC": (HALF_POWER, 0.0),
    "FRC": (0.0, HALF_POWER),
    "WL": (HALF_POWER, 0.0),
    "WR": (0.0, HALF_POWER),
    "TFL": (HALF_POWER, 0.0),
    "TFR": (0.0, HALF_POWER),
    "TBL": (0.5, 0.0),
    "TBR": (0.0, 0.5),
    "DL": (1.0, 0.0),
    "DR": (0.0, 1.0),
}
ELSEWHERE = (0.5, 0.5)


def of_mask(mask: int, channels: int) -> tuple[str, ...]:
    """Return the speakers of a WAVE channel mask, or those usual for so many channels where it does not fit."""
    named = tuple(name for bit, name in enumerate(MASK_ORDER) if mask >> bit & 1)
    return named[:channels] if len(named) >= channels else BY_COUNT.get(channels, ())


def known(names: Sequence[str], channels: int) -> tuple[str, ...]:
    """Return the names if each channel has one, else those usual for so many."""
    if len(names) == channels and all(name in SIDES or name in MASK_ORDER for name in names):
        return tuple(names)
    return BY_COUNT.get(channels, ())


def mix(block: Samples, speakers: Sequence[str], channels: int) -> Samples:
    """Return the block [samples, channels] with so many channels, one or two. Full scale may be exceeded."""
    if block.shape[1] == channels:
        return block
    if block.shape[1] == 1:
        return np.repeat(block, channels, axis=1)
    matrix = _matrix(known(speakers, block.shape[1]), block.shape[1], channels)
    mixed: Samples = block @ matrix
    return mixed


@lru_cache(maxsize=64)
def _matrix(speakers: tuple[str, ...], channels: int, wanted: int) -> Samples:
    """Return [channels, wanted]. Two channels to one are their mean; more go by way of the two."""
    sides = np.array([SIDES.get(name, ELSEWHERE) for name in speakers], np.float32)
    if len(sides) != channels or not sides.any():
        return np.full((channels, wanted), 1 / channels, np.float32)
    if wanted == 2:
        return sides
    low = any(name.startswith("LFE") for name in speakers)
    scale = 0.5 if channels == 2 and not low else HALF_POWER
    mono: Samples = sides.sum(axis=1, keepdims=True) * np.float32(scale)
    return mono
