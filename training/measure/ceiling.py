"""Music that is right, for what a perfect model would score under the same measures."""

import numpy as np
import torch
from audiocraft.models import MusicGen

from training.data.composer import compose
from training.data.render import SOUND_BANK, Orchestra, arrange
from training.data.tokens import BINS, BOOKS, write_codes
from training.measure.asked import Asked

FRAMES = 400


@torch.no_grad()
def decoded_truth(model: MusicGen, asked: list[Asked]) -> list[np.ndarray]:
    """The composer's codes of the pieces that captions describe, decoded. Nothing for a codec that is not ours."""
    codec = model.compression_model
    if (codec.cardinality, codec.num_codebooks) != (BINS, BOOKS):
        return []
    codes = [torch.from_numpy(write_codes(compose(item.spec))[None, :, :FRAMES].astype(np.int64)) for item in asked]
    return [codec.decode(row)[0, 0].numpy() for row in codes]


def rendered_truth(asked: list[Asked]) -> list[np.ndarray]:
    """The same pieces by FluidSynth, where its sound bank is installed."""
    if not SOUND_BANK.exists():
        return []
    orchestra = Orchestra()
    return [orchestra.play(arrange(compose(item.spec)), FRAMES) for item in asked]
