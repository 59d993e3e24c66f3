"""What is searched of a task: neither case nor accents count."""

from __future__ import annotations

import pytest

from shared.jobs.search_text import MOST_WORDS, search_text, search_words


@pytest.mark.parametrize(
    ("query", "title", "prompt"),
    [
        ("reverie", "Rêverie", "slow harp"),
        ("RÊVERIE harp", "reverie", "slow harp"),
        ("strasse", None, "Straße im Regen"),
        ("piano", None, "calm \uff30\uff29\uff21\uff2e\uff2f"),
        ("é", None, "cafe"),
        ("Ångström", "angstrom", ""),
        ("静か", None, "静かなピアノ"),
        ("ピ", None, "静かなピアノ"),
    ],
)
def test_words_are_found_whatever_their_case_and_accents(query: str, title: str | None, prompt: str) -> None:
    assert all(word in search_text(title, prompt) for word in search_words(query))


def test_all_words_count_but_only_so_many_and_each_once() -> None:
    assert search_words("  slow  Harp slow\t") == ("slow", "harp")
    assert search_words(" \n ") == ()
    assert len(search_words(" ".join(map(str, range(50))))) == MOST_WORDS
    assert not all(word in search_text("Night", "slow harp") for word in search_words("night drums"))
