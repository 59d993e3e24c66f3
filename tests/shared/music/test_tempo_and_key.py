"""Tempo and key of a composition: what prompts say, what they are told, and what is drawn."""

from __future__ import annotations

import pytest

from shared.music.multi_instrument import is_pitched, part_prompt
from shared.music.tempo_and_key import PACES, TONICS, TempoAndKey, choose_tempo_and_key, read_key, read_tempo
from training.data.caption import key_name
from training.data.words import BPM, KEYS
from training.data.words import TONICS as SPELLINGS


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("slow sad piano in A minor", "A minor"),
        ("fast flute in f sharp major, no drums", "F# major"),
        ("b flat minor strings", "Bb minor"),
        ("a waltz in Eb Major", "Eb major"),
        ("guitar in C# min", "C# minor"),
        ("synth in Am", "A minor"),
        ("key: F#m", "F# minor"),
        ("a song in a minor key", None),
        ("I am a major fan of rock", None),
        ("calm piano", None),
    ],
)
def test_a_key_is_read_as_people_write_it(text: str, key: str | None) -> None:
    assert read_key(text) == key


def test_every_wording_of_the_training_captions_is_read_back() -> None:
    class Spec:
        tonic, mode = 0, "minor"

    class First:
        """The long spelling, always."""

        def choice(self, options: tuple[str, ...]) -> str:
            return options[0]

        def random(self) -> float:
            return 1.0

    for tonic in range(12):
        for mode in ("major", "minor"):
            Spec.tonic, Spec.mode = tonic, mode
            name = key_name(Spec, First())
            for words in KEYS:
                assert read_key(f"calm piano {words.format(key=name)}") == f"{SPELLINGS[tonic][0]} {mode}"
    assert tuple(names[0] for names in SPELLINGS) == TONICS
    assert {read_tempo(f"calm piano {words.format(bpm=94)}") for words in BPM} == {94}


@pytest.mark.parametrize("text", ["an 808 bass", "in 1999", "tempo 999", "300 bpm", "a tempo of its own"])
def test_a_number_that_is_no_tempo_is_none(text: str) -> None:
    assert read_tempo(text) is None


def test_what_is_asked_for_comes_before_what_prompts_say_and_that_before_a_draw() -> None:
    prompts = ["piano", "bass in D minor", "drums at 140 bpm, in C major"]
    assert choose_tempo_and_key(prompts, None, None, 1) == TempoAndKey(140, "D minor")
    assert choose_tempo_and_key(prompts, 90, "E major", 1) == TempoAndKey(90, "E major")
    drawn = choose_tempo_and_key(["piano"], None, None, 1)
    assert drawn == choose_tempo_and_key(["piano"], None, None, 1)
    assert len({choose_tempo_and_key(["piano"], None, None, seed) for seed in range(20)}) > 10
    assert all(choose_tempo_and_key(["slow piano"], None, None, seed).tempo_bpm in PACES["slow"] for seed in range(9))


def test_a_prompt_is_told_what_it_does_not_say_and_nothing_twice() -> None:
    tuning = TempoAndKey(94, "A minor")
    assert part_prompt("Jazz piano comping", "piano", tuning) == "Jazz piano comping in A minor, at 94 bpm"
    assert part_prompt("piano in C major.", "piano", tuning) == "piano in C major, at 94 bpm"
    assert part_prompt("Swing pattern", "drums", tuning) == "Swing pattern, at 94 bpm", "drums have no key"
    said = "piano in A minor, 94 BPM."
    assert part_prompt(said, "piano", tuning) == said


def test_a_name_tells_whether_there_is_a_melody_in_it() -> None:
    pitched = {name: is_pitched(name) for name in ("piano", "upright bass", "Drum Kit 2", "congas", "bass drum", "x")}
    assert list(pitched.values()) == [True, True, False, False, False, True]
