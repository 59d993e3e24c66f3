"""Write the decoder's convolutions: phasors and drum frames become samples, exactly, before any training.

The first transposed convolution makes 80 channels at 400 Hz, which are 32,000 samples a second laid side by side; the
others only put them in a row. Semitones sound under a Hann window of two frames, overlapping, so their tones go on
without a seam; a drum frame is played as it was recorded. ELU is straight above zero: every channel is lifted, and a
constant channel takes back what the lifting adds.
"""

import math
from typing import Any

import numpy as np
import torch

from training.codec.instruments import SEMITONES, semitone_hz
from training.codec.oscillators import (
    CONSTANT,
    COSINE,
    DRUM,
    HALF,
    HIDDEN,
    KICK,
    PHASOR_GAIN,
    SHIFT,
    SINE,
    write_oscillators,
)
from training.codec.space import CONSTANT_DIM, DRUM_DIM, LOUDNESS_DIM, LOUDNESS_UNIT
from training.data.theory import FRAME_SAMPLES, SAMPLE_RATE_HZ
from worker.engine.imports.audiocraft import SEANetDecoder, SEANetResnetBlock

LIFT = 2.0  # of the samples, which stay below it
SIDE_BY_SIDE = 80  # samples of one 400 Hz step


@torch.no_grad()
def write_weight(module: Any, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Set a weight-normed convolution: direction and length for each first index. Rows of zeros keep a direction."""
    length = weight.flatten(1).norm(dim=1).view(-1, 1, 1)
    module.weight_v.copy_(torch.where(length > 0, weight, module.weight_v))
    module.weight_g.copy_(length)
    module.bias.copy_(bias)


def frame_waves(drum_frames: np.ndarray) -> torch.Tensor:
    """Return what each channel after the LSTM adds to the audio, from 320 samples before its frame to 960 after.

    drum_frames: [count, FRAME_SAMPLES] -> [HIDDEN, 1280]
    """
    span = 2 * FRAME_SAMPLES
    offset = np.arange(span) - FRAME_SAMPLES  # from the middle of the frame
    window = np.cos(np.pi * offset / span) ** 2 / PHASOR_GAIN * LOUDNESS_UNIT
    waves = np.zeros((HIDDEN, span))
    for semitone in range(SEMITONES):
        phase = 2 * math.pi * semitone_hz(semitone) * offset / SAMPLE_RATE_HZ
        waves[COSINE + semitone] = window * np.cos(phase)
        waves[SINE + semitone] = -window * np.sin(phase)
    half = FRAME_SAMPLES // 2
    waves[DRUM : DRUM + len(drum_frames), half : half + FRAME_SAMPLES] = drum_frames / SHIFT
    waves[CONSTANT] = -waves.sum(axis=0)
    return torch.from_numpy(waves).float()


def write_input(layer: Any, drums: int) -> None:
    """Write latent -> LSTM: loudness (negative: the term that the LSTM adds), drum frames, a kick at the start."""
    weight = torch.zeros_like(layer.weight_v)  # [HIDDEN, dimension, 7]
    middle = weight.shape[2] // 2
    for semitone in range(SEMITONES):
        for channel in (COSINE + semitone, SINE + semitone):
            weight[channel, LOUDNESS_DIM + semitone, middle] = -HALF
    for number in range(drums):
        weight[DRUM + number, DRUM_DIM + number, middle] = SHIFT
    # The constant is missing before the first frame: its difference is 1 there and 0 ever after.
    weight[KICK, CONSTANT_DIM, middle], weight[KICK, CONSTANT_DIM, middle - 1] = 1.0, -1.0
    bias = torch.full((HIDDEN,), SHIFT)
    bias[KICK] = 0.0
    write_weight(layer, weight, bias)


def write_samples(layer: Any, waves: torch.Tensor) -> None:
    """Write frames -> 80 samples side by side. A frame's taps begin half a stride before it."""
    weight = torch.zeros_like(layer.weight_v)  # [HIDDEN, 128, 16]
    weight[:, :SIDE_BY_SIDE] = waves.view(HIDDEN, -1, SIDE_BY_SIDE).transpose(1, 2)
    bias = torch.zeros_like(layer.bias)
    bias[:SIDE_BY_SIDE] = LIFT
    write_weight(layer, weight, bias)


def write_row(layer: Any, side_by_side: int) -> None:
    """Write samples side by side -> the same samples, `stride` times fewer of them side by side."""
    weight, stride = torch.zeros_like(layer.weight_v), layer.stride[0]
    trimmed = stride - stride // 2
    left = side_by_side // stride
    for step in range(stride):
        for channel in range(left):
            weight[step * left + channel, channel, step + trimmed] = 1.0
    write_weight(layer, weight, torch.zeros_like(layer.bias))


def write_decoder(decoder: SEANetDecoder, drum_frames: np.ndarray) -> None:
    """Fill every layer of a decoder of the shape that config.py describes."""
    layers: list[Any] = list(decoder.model)
    write_input(layers[0].conv.conv, len(drum_frames))
    write_oscillators(layers[1].lstm)
    first, *others = [layer.convtr.convtr for layer in layers if hasattr(layer, "convtr")]
    write_samples(first, frame_waves(drum_frames))
    side_by_side = SIDE_BY_SIDE
    for layer in others:
        write_row(layer, side_by_side)
        side_by_side //= layer.stride[0]
    for layer in layers:
        if not isinstance(layer, SEANetResnetBlock):
            continue
        inner: Any = layer.block
        last = inner[-1].conv.conv
        write_weight(last, torch.zeros_like(last.weight_v), torch.zeros_like(last.bias))
    last = layers[-1].conv.conv
    weight = torch.zeros_like(last.weight_v)
    weight[0, 0, weight.shape[2] // 2] = 1.0
    write_weight(last, weight, torch.full_like(last.bias, -LIFT))
