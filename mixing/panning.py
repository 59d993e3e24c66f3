"""Pan with equal power: a track keeps its energy at every position between the two speakers."""

from __future__ import annotations

import math

import numpy as np

from mixing.audio import Samples


def pan(samples: Samples, position: float) -> Samples:
    """Pan to stereo, from -1 (left) over 0 to 1 (right). [channels, samples] -> [2, samples]

    Mono is panned: in the middle each speaker gets 3 dB less. Stereo is balanced: in the middle it is left as it is,
    and the sum of both gains squared is the same everywhere.
    """
    angle = (position + 1) * math.pi / 4
    gains = np.array([[math.cos(angle)], [math.sin(angle)]], np.float32)  # [2, 1]
    return (samples * gains if len(samples) == 1 else samples * gains * np.float32(math.sqrt(2))).astype(np.float32)
