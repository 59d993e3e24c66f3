"""Show several clips in a notebook: those of a batch, and a piece's tracks with their mix."""

from __future__ import annotations

import re
from base64 import b64decode

from music_gen import AudioOutput, Clips, Tracks

from tests.audio_fixtures import file_of, tone

PIANO = AudioOutput(file_of(tone(440, 0.1), 32_000), prompt="calm piano", model="tiny", seed=7)
DRUMS = AudioOutput(file_of(tone(110, 0.1), 32_000, "mp3"), "mp3", prompt="drums & bass", model="tiny", seed=8)


def players(page: str) -> list[tuple[str, bytes, str]]:
    """Return each player's media type, file and caption."""
    found = re.findall(
        r'<audio controls src="data:([^;]+);base64,([^"]+)"></audio><figcaption>(.*?)</figcaption>', page
    )
    assert len(found) == page.count("<audio")
    return [(kind, b64decode(data), caption) for kind, data, caption in found]


def test_a_piece_shows_its_mix_and_each_instrument_by_its_name() -> None:
    mix = AudioOutput.from_samples(tone(220, 0.1), 32_000, prompt="piano; drums")
    tracks = Tracks({"piano": PIANO, "<drums>": DRUMS}, mix, tempo_bpm=94, key="A minor")
    assert players(tracks._repr_html_()) == [
        ("audio/wav", mix.data, "mix: piano; drums"),
        ("audio/wav", PIANO.data, "piano: calm piano (tiny, seed 7)"),
        ("audio/mpeg", DRUMS.data, "&lt;drums&gt;: drums &amp; bass (tiny, seed 8)"),
    ]


def test_the_clips_of_a_batch_are_a_list_that_shows_a_player_for_each() -> None:
    clips = Clips([PIANO, DRUMS])
    assert clips == [PIANO, DRUMS]
    assert [caption for _, _, caption in players(clips._repr_html_())] == [
        "calm piano (tiny, seed 7)",
        "drums &amp; bass (tiny, seed 8)",
    ]
