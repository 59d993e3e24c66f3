"""The composer, its captions and its codes: what is written is what is said, and what is coded."""

from __future__ import annotations

import random

import numpy as np
import pytest

from training.data import tokens
from training.data.caption import caption, nearest_beat
from training.data.composer import HELD_OUT_SEED, Composition, compose, draw_spec
from training.data.singer import draw_voice, render_melody
from training.data.theory import BEAT_FRAMES, HOME, REGISTERS, SEGMENT_FRAMES, bpm_of, scale_of
from training.data.words import HELD_OUT_TEMPLATES, TEMPLATES
from training.lm.batches import BatchSource
from training.measure.symbolic import read_codes

SEEDS = range(40)


def composition_of(seed: int) -> Composition:
    return compose(draw_spec(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_melody_stays_in_its_scale_and_register_and_never_overlaps(seed: int) -> None:
    composition = composition_of(seed)
    low, top = REGISTERS[composition.spec.high]
    assert all(
        note.pitch % 12 in scale_of(composition.spec.scale) and low <= note.pitch <= top for note in composition.melody
    )
    ends = [note.start + note.frames for note in composition.melody]
    assert all(end <= note.start for end, note in zip(ends, composition.melody[1:], strict=False))
    assert ends[-1] <= SEGMENT_FRAMES


@pytest.mark.parametrize("seed", SEEDS)
def test_a_piece_begins_at_home(seed: int) -> None:
    composition = composition_of(seed)
    assert composition.chords[0] == HOME[composition.spec.mode]


def test_the_same_seed_composes_the_same_piece() -> None:
    assert composition_of(7) == composition_of(7)


def test_every_beat_is_a_whole_even_number_of_codec_frames() -> None:
    assert all(frames % 2 == 0 for frames in BEAT_FRAMES)


def test_nearly_every_tempo_from_60_to_180_has_a_beat_within_eight_percent() -> None:
    far = [bpm for bpm in range(60, 181) if abs(bpm_of(nearest_beat(bpm)) / bpm - 1) > 0.08]
    assert len(far) <= 5


def test_every_code_has_one_meaning_and_every_meaning_one_code() -> None:
    tables = (tokens.CLOCKS, tokens.HITS, tokens.HARMONIES, tokens.LEADS)
    for table in tables:
        assert len(table) <= tokens.BINS
        assert len(set(table)) == len(table)


@pytest.mark.parametrize("seed", SEEDS)
def test_codes_say_what_the_piece_is(seed: int) -> None:
    composition = composition_of(seed)
    codes = tokens.write_codes(composition)
    assert codes.shape == (4, SEGMENT_FRAMES)
    assert codes.min() >= 0
    assert codes.max() < tokens.BINS
    written = read_codes(codes)
    assert written.bpm == bpm_of(composition.spec.beat_frames)
    assert (written.scale, written.drums, written.instrument) == (
        composition.spec.scale,
        composition.spec.drums,
        composition.spec.lead,
    )
    assert written.faults == 0


def test_codes_hold_every_note_where_it_was_written() -> None:
    composition = composition_of(11)
    row = tokens.write_codes(composition)[tokens.LEAD]
    found = [(frame, tokens.LEADS[code].pitch) for frame, code in enumerate(row) if is_attack(row, frame)]
    assert found == [(note.start, note.pitch) for note in composition.melody]


def is_attack(row: np.ndarray, frame: int) -> bool:
    lead = tokens.LEADS[row[frame]]
    return lead is not None and lead.step == 0


@pytest.mark.parametrize("held_out", [False, True])
def test_a_caption_names_a_tempo_within_eight_percent_of_the_truth(held_out: bool) -> None:
    rng = random.Random(1)
    for seed in range(300):
        spec = draw_spec(seed)
        words = caption(spec, rng, held_out)
        if words.bpm is not None:
            assert abs(words.bpm / bpm_of(spec.beat_frames) - 1) <= 0.0801
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
    source = BatchSource(1)
    assert all(source.example().spec.seed < HELD_OUT_SEED for _ in range(20))


def test_batches_follow_from_the_seed() -> None:
    first, again = BatchSource(3).windows(4), BatchSource(3).windows(4)
    assert first.texts == again.texts
    assert bool((first.seen == again.seen).all())


def test_a_sung_melody_is_as_long_as_asked_and_neither_silent_nor_clipped() -> None:
    wave = render_melody(composition_of(3).melody, draw_voice(random.Random(3)), frames=200)
    assert wave.shape == (200 * 640,)
    assert 0.4 < abs(wave).max() <= 0.5
