"""Make music that is right, to see what a perfect model would score under the same measures."""

import numpy as np
import torch

from training.data.composer import compose
from training.data.render import SOUNDFONT, FluidSynthPlayer, arrange
from training.data.tokens import BINS, BOOKS, write_codes
from training.measure.asked import EvaluationRequest
from worker.engine.imports.audiocraft import MusicGen

FRAMES = 400


@torch.no_grad()
def decoded_truth(model: MusicGen, asked: list[EvaluationRequest]) -> list[np.ndarray]:
    """Decode the composer's own codes of what captions describe. Nothing for a codec that is not ours."""
    codec = model.compression_model
    if (codec.cardinality, codec.num_codebooks) != (BINS, BOOKS):
        return []
    codes = [torch.from_numpy(write_codes(compose(item.spec))[None, :, :FRAMES].astype(np.int64)) for item in asked]
    return [codec.decode(row)[0, 0].numpy() for row in codes]


def rendered_truth(asked: list[EvaluationRequest]) -> list[np.ndarray]:
    """Render the same by FluidSynth, where its soundfont is installed."""
    if not SOUNDFONT.exists():
        return []
    orchestra = FluidSynthPlayer()
    return [orchestra.play(arrange(compose(item.spec)), FRAMES) for item in asked]
