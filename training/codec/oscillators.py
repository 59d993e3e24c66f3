"""Make the decoder's LSTM a bank of oscillators, one a semitone: the phase that codes do not carry.

A convolutional decoder that is given the same code again and again repeats itself every 20 ms, so it can sing
multiples of 50 Hz only, and chords smear. But EnCodec's decoder (Defossez et al. 2022) begins with an LSTM. Here
its first layer turns two units per semitone by that semitone's angle per frame, for ever: forget gate shut, the
other gates open, and a recurrent matrix of rotations a little larger than one, which the cell's two tanh hold at a
steady radius. The second layer multiplies these phasors by the semitones' loudness: the input gate opens with the
phasor, the candidate is the loudness.

    sigmoid(KAPPA * phasor) * loudness = loudness / 2 + KAPPA / 4 * phasor * loudness + ...

The first term is taken back by the skip connection around the LSTM. Everything stays where tanh is nearly straight.
"""

import math
from typing import Any

import torch

from training.codec.instruments import SEMITONES, semitone_hz
from training.data.theory import FRAME_RATE_HZ

COSINE, SINE, DRUM = 0, SEMITONES, 2 * SEMITONES  # first channel of each kind at the LSTM's input and output
KICK, CONSTANT = 254, 255
HIDDEN = 256

SHIFT = 0.1  # added to every channel, so that the ELU after the LSTM sees nothing negative
GROWTH = 1.01  # of a phasor per frame, before saturation
RADIUS = math.sqrt(2 * (1 - 1 / GROWTH)) / GROWTH
KAPPA = 0.3 / RADIUS
LOUDNESS_STEP = 0.1  # what the first layer makes of a loudness of 1
CANDIDATE = 0.5  # what the second makes of that
HALF = 0.5 * CANDIDATE * LOUDNESS_STEP  # the term that the skip connection takes back
PHASOR_GAIN = KAPPA * RADIUS / 4 * CANDIDATE * LOUDNESS_STEP  # size of a full phasor at the LSTM's output
OPEN, SHUT = 20.0, -20.0


def angle(semitone: int) -> float:
    """Return the angle by which a semitone's phasor turns in a frame."""
    return 2 * math.pi * ((semitone_hz(semitone) / FRAME_RATE_HZ) % 1.0)


@torch.no_grad()
def write_oscillators(lstm: Any, seed: int = 1) -> None:
    """Fill a torch.nn.LSTM of two layers of 256 units."""
    for parameter in lstm.parameters():
        parameter.zero_()
    gates = {name: slice(k * HIDDEN, (k + 1) * HIDDEN) for k, name in enumerate("ifgo")}
    write_phasors(lstm, gates, torch.Generator().manual_seed(seed))
    write_products(lstm, gates)


def write_phasors(lstm: Any, gates: dict[str, slice], generator: torch.Generator) -> None:
    """Write the first layer: phasors that begin at random phases when the kick comes, and the loudness passed on."""
    bias, weights, past = lstm.bias_ih_l0, lstm.weight_ih_l0[gates["g"]], lstm.weight_hh_l0[gates["g"]]
    bias[gates["i"]], bias[gates["f"]], bias[gates["o"]] = OPEN, SHUT, OPEN
    phases = 2 * math.pi * torch.rand(SEMITONES, generator=generator)
    for semitone in range(SEMITONES):
        one, other, rotation = COSINE + semitone, SINE + semitone, angle(semitone)
        past[one, one] = past[other, other] = GROWTH * math.cos(rotation)
        past[one, other], past[other, one] = -GROWTH * math.sin(rotation), GROWTH * math.sin(rotation)
        for unit, value in ((one, phases[semitone].cos()), (other, phases[semitone].sin())):
            weights[unit, KICK] = torch.atanh(torch.atanh(RADIUS * value))
        # The cosine's channel holds SHIFT - HALF * loudness.
        weights[DRUM + semitone, COSINE + semitone] = -LOUDNESS_STEP / HALF
        bias[gates["g"]][DRUM + semitone] = SHIFT * LOUDNESS_STEP / HALF


def write_products(lstm: Any, gates: dict[str, slice]) -> None:
    """Write the second layer: phasor times loudness; the channels of drums and the like stay silent."""
    bias, weights = lstm.bias_ih_l1, lstm.weight_ih_l1
    bias[gates["i"]], bias[gates["f"]], bias[gates["o"]] = SHUT, SHUT, SHUT
    for semitone in range(SEMITONES):
        for unit in (COSINE + semitone, SINE + semitone):
            bias[gates["i"]][unit], bias[gates["o"]][unit] = 0.0, OPEN
            weights[gates["i"]][unit, unit] = KAPPA
            weights[gates["g"]][unit, DRUM + semitone] = CANDIDATE
