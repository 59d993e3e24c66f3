"""Fold text for the search of tasks: neither case nor accents count."""

from __future__ import annotations

import unicodedata

MOST_WORDS = 10


def folded(text: str) -> str:
    """Return the text in lower case, without accents, with ligatures and wide letters as plain ones."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def search_text(title: str | None, prompt: str) -> str:
    """Return what is searched of a task."""
    return folded(f"{title or ''}\n{prompt}")


def search_words(query: str) -> tuple[str, ...]:
    """Return the words that a task's text must have, all of them; those beyond MOST_WORDS do not count."""
    return tuple(dict.fromkeys(folded(query).split()))[:MOST_WORDS]
