"""The simulated melody is the one that audiocraft's extractor hears."""

from __future__ import annotations

import random

import numpy as np
import pytest

from training.data.chroma import CHROMA_FRAMES, chroma_count, extract_chroma, simulate
from training.data.composer import compose, draw_spec
from training.data.singer import Voice, draw_voice, render_melody

PLAIN = Voice((1.0, 0.1), 0.0, 5.0, 0.0, 0.0, 0.0, 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_plain_melody_is_heard_as_simulated(seed: int) -> None:
    notes = compose(draw_spec(seed)).melody
    simulated = simulate(notes, 0, 400, random.Random(1), faulty=False)
    real = extract_chroma(render_melody(notes, PLAIN, 400))
    count = chroma_count(400)
    assert float((simulated[:count] == real[:count]).mean()) > 0.8


def test_a_hummed_melody_is_mostly_heard_as_simulated() -> None:
    shares = []
    for seed in range(6):
        notes = compose(draw_spec(seed)).melody
        real = extract_chroma(render_melody(notes, draw_voice(random.Random(seed)), 400, seed))
        shares.append(float((simulate(notes, 0, 400, random.Random(1), faulty=False)[:60] == real[:60]).mean()))
    assert np.mean(shares) > 0.6


def test_a_shorter_melody_repeats_over_the_conditioners_length() -> None:
    classes = simulate(compose(draw_spec(1)).melody, 0, 400, random.Random(1))
    count = chroma_count(400)
    assert classes.shape == (CHROMA_FRAMES,)
    assert np.array_equal(classes[:count], classes[count : 2 * count])
