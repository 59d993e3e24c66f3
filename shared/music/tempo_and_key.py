"""Read the tempo and the key that a prompt names, and put into it those that it does not: asked for, or drawn.

They are put into a prompt in the words that the shipped model's training captions have ("at 94 bpm", "in A minor"). A
prompt that names a tempo or a key itself keeps its own.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass

TEMPO_BPM = (40, 240)
PACES = {"slow": (65, 75), "medium": (83, 94, 107, 125), "fast": (150, 167)}  # nearly every tempo is near one of these
TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MODES = ("major", "minor")

_TEMPO = re.compile(r"\b(\d{2,3}) ?(?:bpm|beats per minute)\b|\btempo:? (\d{2,3})\b", re.IGNORECASE)
_TONIC = r"([A-G])(?:(#|♯)|(b|♭)|[ -](sharp)|[ -](flat))?"
_KEY = re.compile(rf"(?<![\w#]){_TONIC} ?-?(major|minor|maj|min)\b(?! (?:key|scale|mode|way)\b)", re.IGNORECASE)
_SHORT_KEY = re.compile(r"\b(?:in|in the key of|key of|key:) ([A-G])(#|♯)?(b|♭)?()()(m)\b")
_KEY_FOLLOWS = re.compile(r"(?:\bin|\bof|\bkey:?|^|[,;.]) ?$", re.IGNORECASE)
_PACE_WORDS = {
    "slow": re.compile(r"\b(slow|slowly|unhurried|slow-paced)\b", re.IGNORECASE),
    "fast": re.compile(r"\b(fast|quick|up-?tempo|fast-paced)\b", re.IGNORECASE),
}


@dataclass(frozen=True)
class TempoAndKey:
    """Say a tempo and a key, the latter as it is written in a prompt: "A minor", "F# major"."""

    tempo_bpm: int
    key: str


def read_key(text: str) -> str | None:
    """Return the key that a text names, in one spelling; None when it names none."""
    found = next(filter(_is_meant, _KEY.finditer(text)), None) or _SHORT_KEY.search(text)
    if found is None:
        return None
    tonic, sharp, flat, spoken_sharp, spoken_flat, mode = found.groups()
    accidental = "#" if sharp or spoken_sharp else "b" if flat or spoken_flat else ""
    return f"{tonic.upper()}{accidental} {'major' if mode.lower().startswith('maj') else 'minor'}"


def _is_meant(found: re.Match[str]) -> bool:
    """Tell a key from a small "a" before "major", which may be no more than an article."""
    return found[1] != "a" or any(found.groups()[1:5]) or bool(_KEY_FOLLOWS.search(found.string[: found.start()]))


def read_tempo(text: str) -> int | None:
    """Return the beats a minute that a text names; None when it names none that music can have."""
    for found in _TEMPO.finditer(text):
        tempo_bpm = int(found[1] or found[2])
        if TEMPO_BPM[0] <= tempo_bpm <= TEMPO_BPM[1]:
            return tempo_bpm
    return None


def put_in(prompt: str, tempo_bpm: int | None, key: str | None) -> str:
    """Return the prompt with the tempo and the key that it does not name itself. Twice is as once."""
    prompt = prompt.strip()
    words = plain = prompt.rstrip(",.")
    if key is not None and read_key(prompt) is None:
        words += f" in {key}"
    if tempo_bpm is not None and read_tempo(prompt) is None:
        words += f", at {tempo_bpm} bpm"
    if words == plain:
        return prompt
    return words if plain else words.lstrip(", ")


def take_out(prompt: str, tempo_bpm: int | None, key: str | None) -> str:
    """Return the prompt without the words with which `put_in` ended it; put in again, they are the same."""
    for value, words in ((tempo_bpm, f", at {tempo_bpm} bpm"), (key, f" in {key}")):
        if value is not None:
            prompt = "" if prompt == words.lstrip(", ") else prompt.removesuffix(words)
    return prompt


def overruled(prompt: str, tempo_bpm: int | None, key: str | None) -> list[str]:
    """Return a warning for each of the two that the prompt names differently."""
    warnings = []
    if tempo_bpm is not None and (named_bpm := read_tempo(prompt)) not in (None, tempo_bpm):
        warnings.append(f"tempo_bpm: {tempo_bpm} was not used, as the prompt names {named_bpm} bpm")
    if key is not None and (named_key := read_key(prompt)) not in (None, key):
        warnings.append(f"key: {key} was not used, as the prompt names {named_key}")
    return warnings


def choose_tempo_and_key(prompts: Iterable[str], tempo_bpm: int | None, key: str | None, seed: int) -> TempoAndKey:
    """Return what was asked for, else what the first prompt that says it says, else a draw: one seed, one draw."""
    prompts, draw = list(prompts), random.Random(f"tuning:{seed}")
    all_of_them = " ".join(prompts)
    pace = next((name for name, words in _PACE_WORDS.items() if words.search(all_of_them)), "medium")
    drawn = TempoAndKey(draw.choice(PACES[pace]), f"{draw.choice(TONICS)} {draw.choice(MODES)}")
    tempi = (tempo for prompt in prompts if (tempo := read_tempo(prompt)) is not None)
    keys = (found for prompt in prompts if (found := read_key(prompt)) is not None)
    return TempoAndKey(tempo_bpm or next(tempi, drawn.tempo_bpm), key or next(keys, drawn.key))
