"""Describe a composition in English: many words for one thing, any order, often only a part of it.

`caption(spec, rng)` draws one caption of the training templates, or of the held-out ones, and tells which properties
it names, so that an evaluation asks only for what was asked for.
"""

import math
import random
from dataclasses import dataclass

from training.data.composer import Spec
from training.data.theory import BEAT_FRAMES, TEMPO_WORDS, bpm_of
from training.data.words import (
    BPM,
    DRUMS,
    ENDINGS,
    GAPS,
    GENRES,
    HELD_OUT_TEMPLATES,
    KEYS,
    KITS,
    LEADS,
    MOODS,
    NOUNS,
    OPENINGS,
    REGISTERS,
    TEMPI,
    TEMPLATES,
    TONICS,
)

LOWEST_BPM, HIGHEST_BPM = 58, 184
NAMEABLE = ("tempo", "mood", "lead", "genre", "drums", "register", "key")


@dataclass(frozen=True)
class Caption:
    text: str
    named: frozenset[str]  # of NAMEABLE
    bpm: int | None


def nearest_beat(bpm: float) -> int:
    """Return the beat, in frames, that a number asks for."""
    return min(BEAT_FRAMES, key=lambda frames: abs(math.log(bpm_of(frames) / bpm)))


NUMBERS = {
    beat: [bpm for bpm in range(LOWEST_BPM, HIGHEST_BPM + 1) if nearest_beat(bpm) == beat] for beat in BEAT_FRAMES
}


def draw_bpm(beat_frames: int, rng: random.Random, tolerance: float = 0.08) -> int:
    """Draw a number that asks for this tempo: half of the time the exact one, else any that is nearest to it."""
    if rng.random() < 0.5:
        return round(bpm_of(beat_frames))
    within = [bpm for bpm in NUMBERS[beat_frames] if abs(bpm / bpm_of(beat_frames) - 1) <= tolerance]
    return rng.choice(within)


def key_name(spec: Spec, rng: random.Random) -> str:
    """Name the key as people write it: `A minor`, `Am`, `F sharp major`."""
    tonic = rng.choice(TONICS[spec.tonic])
    if rng.random() < 0.12 and " " not in tonic:
        return f"{tonic}m" if spec.mode == "minor" else f"{tonic} maj"
    return f"{tonic} {spec.mode}"


def phrases(spec: Spec, rng: random.Random, bpm: int | None) -> dict[str, str]:
    """Draw one wording of each property."""
    speed = TEMPO_WORDS[spec.beat_frames]
    number = rng.choice(BPM).format(bpm=bpm) if bpm is not None else ""
    word = rng.choice(TEMPI[speed]) if bpm is None or rng.random() < 0.25 else ""
    drums = DRUMS[spec.drums] + KITS.get(spec.kit, ())
    return {
        "tempo": ", ".join(part for part in (word, number) if part),
        "mood": rng.choice(MOODS[spec.mode, speed]),
        "lead": rng.choice(LEADS[spec.lead]),
        "genre": rng.choice(GENRES[spec.genre]),
        "drums": rng.choice(drums),
        "register": rng.choice(REGISTERS[spec.high]),
        "key": rng.choice(KEYS).format(key=key_name(spec, rng)),
    }


def caption(spec: Spec, rng: random.Random, held_out: bool = False, keep: float = 0.75) -> Caption:
    """Draw a caption; each property is named with probability `keep`."""
    bpm = draw_bpm(spec.beat_frames, rng) if rng.random() < 0.65 else None
    words = phrases(spec, rng, bpm)
    if not held_out and rng.random() < 0.4:
        text, named = listed(words, keep, rng)
    else:
        text, named = filled(rng.choice(HELD_OUT_TEMPLATES if held_out else TEMPLATES), words, keep, rng)
    return Caption(recase(text, rng), named, bpm if "tempo" in named else None)


def filled(template: str, words: dict[str, str], keep: float, rng: random.Random) -> tuple[str, frozenset[str]]:
    """Fill a template, with some of its properties left out."""
    present = [name for name in NAMEABLE if "{" + name + "}" in template]
    named = {name for name in present if rng.random() < keep} or {rng.choice(present)}
    given = {name: text if name in named else "" for name, text in words.items()}
    return tidy(template.format(**given, noun=rng.choice(NOUNS))), frozenset(named)


def listed(words: dict[str, str], keep: float, rng: random.Random) -> tuple[str, frozenset[str]]:
    """List properties in any order, with any separator, sometimes in a sentence."""
    names = [name for name in NAMEABLE if rng.random() < 0.85 * keep] or [rng.choice(NAMEABLE)]
    rng.shuffle(names)
    between = rng.choice((", ", ", ", " ", ". ", "; ", " - ", ", and "))
    text = between.join(words[name] for name in names)
    return tidy(rng.choice(OPENINGS) + " " + text + rng.choice(ENDINGS)), frozenset(names)


def recase(text: str, rng: random.Random) -> str:
    """Change the case as people do: sometimes a capital first, all lower case, or Every Word Capital."""
    draw = rng.random()
    if draw < 0.25:
        return text[:1].upper() + text[1:]
    if draw < 0.40:
        return text.lower()
    return " ".join(word[:1].upper() + word[1:] for word in text.split(" ")) if draw < 0.44 else text


def tidy(text: str) -> str:
    """Close the gaps that dropped properties leave."""
    text = " ".join(text.split())
    for _ in range(4):
        for wrong, right in GAPS:
            text = text.replace(wrong, right)
    for ending in (" with", " for", " played by", " played on", " on", ","):
        text = text.removesuffix(ending)
    return text.strip(" ,")
