"""The composer and its captions: what is written is what is said."""

from __future__ import annotations

import random

import pytest

from training.data.caption import HELD_OUT_TEMPLATES, TEMPLATES, caption
from training.data.composer import compose, draw_spec
from training.data.dataset import HELD_OUT_SEED
from training.data.singer import draw_voice, sing
from training.data.theory import BEAT_FRAMES, PIECE_FRAMES, bpm_of, scale_of


@pytest.mark.parametrize("seed", range(20))
def test_the_melody_stays_in_the_scale_or_the_chord_and_inside_the_piece(seed: int) -> None:
    piece = compose(draw_spec(seed))
    allowed = {*scale_of(piece.spec.root, piece.spec.mode)}
    outside = [note for note in piece.part("lead") if note.pitch % 12 not in allowed]
    assert len(outside) <= 0.2 * len(piece.part("lead"))  # only a major dominant in minor leaves the scale
    assert all(note.start >= 0 and note.start + note.frames <= PIECE_FRAMES for note in piece.notes)


@pytest.mark.parametrize("seed", range(20))
def test_drums_are_written_exactly_when_the_spec_says_so(seed: int) -> None:
    piece = compose(draw_spec(seed))
    assert bool(piece.part("drum")) is piece.spec.drums


def test_the_same_seed_composes_the_same_piece() -> None:
    assert compose(draw_spec(7)) == compose(draw_spec(7))


def test_every_beat_is_a_whole_even_number_of_codec_frames() -> None:
    assert all(frames % 2 == 0 for frames in BEAT_FRAMES)


@pytest.mark.parametrize("held_out", [False, True])
def test_a_caption_names_a_tempo_within_eight_percent_of_the_truth(held_out: bool) -> None:
    rng = random.Random(1)
    for seed in range(300):
        spec = draw_spec(seed)
        words = caption(spec, rng, held_out)
        if words.bpm is not None:
            assert abs(words.bpm / bpm_of(spec.beat_frames) - 1) < 0.08
            assert str(words.bpm) in words.text


def test_a_caption_says_no_drums_only_of_a_piece_without_them() -> None:
    rng = random.Random(2)
    for seed in range(300):
        spec = draw_spec(seed)
        text = caption(spec, rng).text.lower()
        if any(words in text for words in ("no drums", "without", "drumless", "no percussion")):
            assert not spec.drums


def test_held_out_templates_and_seeds_are_not_trained_on() -> None:
    assert not set(HELD_OUT_TEMPLATES) & set(TEMPLATES)
    assert HELD_OUT_SEED > 900_000  # the vocabulary draws its captions below that


def test_a_sung_melody_is_as_long_as_asked_and_neither_silent_nor_clipped() -> None:
    wave = sing(compose(draw_spec(3)).part("lead"), draw_voice(random.Random(3)), frames=200)
    assert wave.shape == (200 * 640,)
    assert 0.4 < abs(wave).max() <= 0.5
