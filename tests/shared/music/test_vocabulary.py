"""What models are said to know, against what they were taught."""

from __future__ import annotations

from shared.music.vocabulary import TINY
from training.data import words


def test_the_shipped_model_was_taught_every_word_that_it_is_said_to_know() -> None:
    assert set(TINY.instruments) == set(words.LEADS)
    assert set(TINY.moods) <= {mood for moods in words.MOODS.values() for mood in moods}
    assert set(TINY.genres) <= set(words.GENRES)
    assert set(TINY.tempi) <= {tempo for tempi in words.TEMPI.values() for tempo in tempi}
    assert set(TINY.drums) <= {
        text for group in (words.DRUMS, words.KITS) for texts in group.values() for text in texts
    }
    tonics = {name for names in words.TONICS for name in names}
    assert {key.rpartition(" ")[0] for key in TINY.keys} <= tonics
    assert len(set(TINY.keys)) == 24
