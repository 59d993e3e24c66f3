"""Hold identifiers to one word for one thing: the words below were given up, docs/glossary.md has those in use."""

from __future__ import annotations

import io
import re
import subprocess
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CLEAN = (
    *("api", "shared", "housekeeping", "worker", "mixing"),
    *("stack", "bench", "chaos", "tools", "clients/python/music_gen"),
)
OF_OTHERS = {"tools/random_checkpoint.py": {"piece", "pieces"}}  # SentencePiece's attributes

# each with the identifiers that may have it: the names of other libraries, and what people call a thing elsewhere too
GIVEN_UP: dict[str, set[str]] = {
    "abandon": set(),
    "answer": {"UnexpectedAnswer", "from_answer"},  # public names of music_gen
    "answers": set(),
    "arrival": set(),
    "aside": set(),
    "batching": {"ContinuousBatchingEngine"},
    "company": set(),
    "courier": set(),
    "crew": set(),
    "crowd": set(),
    "desk": set(),
    "ear": set(),
    "flight": {"single_flight"},
    "follower": set(),
    "followers": set(),
    "following": set(),
    "heard": {"heard_s"},  # a field of records
    "held": {"held_out_captions", "held_out_melodies"},
    "holding": set(),
    "hum": set(),
    "intake": set(),
    "knock": set(),
    "lane": set(),
    "lanes": set(),
    "leader": {"LeaderLock", "_leader_lock", "leader_lock"},
    "look": set(),
    "looking": set(),
    "mark": set(),
    "mixdown": set(),
    "piece": {"SentencePieceTrainer"},
    "pieces": set(),
    "place": {"in_place"},
    "places": set(),
    "relay": set(),
    "room": {"_lofi_room"},
    "roster": set(),
    "seam": set(),
    "sing": set(),
    "song": set(),
    "songs": set(),
    "sound": {"SoundFile", "SoundFileError"},
    "sounded": set(),
    "storm": set(),
    "sweeper": set(),
    "tell": {"tell"},  # what a file object is asked
    "tether": set(),
    "told": set(),
    "turn": set(),
    "whole": set(),
    "wish": set(),
    "wishes": set(),
}


def words_of(identifier: str) -> list[str]:
    """Split an identifier at underscores and capitals, in lower case: `PiecesRandom` -> pieces, random."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", identifier)]


def identifiers_of(source: str) -> set[str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


def given_up_in(source: str) -> set[str]:
    """Return the identifiers of a source that have a word that was given up."""
    return {
        name
        for name in identifiers_of(source)
        if any(word in GIVEN_UP and name not in GIVEN_UP[word] for word in words_of(name))
    }


@pytest.mark.parametrize("folder", CLEAN)
def test_no_identifier_has_a_word_that_was_given_up(folder: str) -> None:
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [path for path in listed.split() if path.endswith(".py")]
    assert len(paths) > 5
    words = {path: given_up_in((ROOT / path).read_text()) - OF_OTHERS.get(path, set()) for path in paths}
    found = {path: names for path, names in words.items() if names}
    assert not found


def test_words_are_found_within_names_of_either_spelling() -> None:
    assert given_up_in("class SongRunner: ...\ndef make_way(held_db, _whole): ...") == {
        "SongRunner",
        "held_db",
        "_whole",
    }
    assert given_up_in("class Runner: ...\nimport soundfile\nsoundfile.SoundFile; x.in_place; meanwhile = 1") == set()
