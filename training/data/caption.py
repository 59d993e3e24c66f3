"""Says in English what a piece is: many words for one thing, any order, often only a part of it.

`caption(spec, rng)` draws one caption of the training templates, or of the held-out ones, and tells which properties
it names, so that an evaluation asks only for what was asked for.
"""

import random
from dataclasses import dataclass

from training.data.composer import Spec
from training.data.theory import BEAT_FRAMES, TEMPO_WORDS, bpm_of

TEMPO = {
    "slow": ("slow", "slow tempo", "at a slow pace", "slow-paced", "unhurried"),
    "medium": ("medium tempo", "moderate tempo", "mid-tempo", "at a moderate pace"),
    "fast": ("fast", "fast tempo", "at a fast pace", "quick", "up-tempo"),
}
MOOD = {
    ("major", "slow"): ("calm", "gentle", "peaceful", "warm", "tender", "happy"),
    ("major", "medium"): ("happy", "cheerful", "bright-hearted", "relaxed", "warm"),
    ("major", "fast"): ("happy", "joyful", "cheerful", "upbeat", "playful", "energetic"),
    ("minor", "slow"): ("sad", "melancholic", "dark", "sorrowful", "lonely", "gentle"),
    ("minor", "medium"): ("sad", "melancholic", "moody", "mysterious", "wistful"),
    ("minor", "fast"): ("tense", "dramatic", "dark", "energetic", "restless"),
}
LEAD = {
    "piano": ("piano", "solo piano", "piano melody", "grand piano"),
    "guitar": ("guitar", "acoustic guitar", "steel guitar", "guitar melody"),
    "strings": ("strings", "string ensemble", "violins", "orchestral strings"),
    "flute": ("flute", "flute melody", "solo flute"),
    "synth": ("synth", "synthesizer", "synth lead", "square synth"),
    "organ": ("organ", "hammond organ", "electric organ"),
    "music box": ("music box", "music-box melody", "tinkling music box"),
}
GENRE = {
    "pop": ("pop", "pop song"),
    "rock": ("rock", "rock tune"),
    "electronic": ("electronic", "dance", "electronic dance music"),
    "lo-fi": ("lo-fi", "lofi beat", "chill lo-fi"),
    "ballad": ("ballad", "soft ballad"),
    "folk": ("folk", "folk tune"),
    "classical": ("classical", "classical piece"),
    "lullaby": ("lullaby", "bedtime lullaby"),
}
DRUMS = {
    True: ("with drums", "with a drum beat", "drums", "with percussion", "with a steady beat of drums", "drum kit"),
    False: ("no drums", "without drums", "no percussion", "without percussion", "drumless", "without any drums"),
}
REGISTER = {
    True: ("high melody", "high register", "bright", "in a high register", "high-pitched"),
    False: ("low melody", "low register", "mellow", "in a low register", "deep melody"),
}
KEY = ("in {key}", "in the key of {key}", "key of {key}", "{key}")
BPM = ("{bpm} bpm", "{bpm} BPM", "at {bpm} bpm", "{bpm} beats per minute")

GAPS = ((" ,", ","), (",,", ","), (" .", "."), ("..", "."), (". .", "."), (": ,", ":"), (" :", ":"))

TEMPLATES = (
    "{mood} {lead} {genre} {key}, {tempo}, {drums}",
    "{tempo} {mood} {lead} {key}",
    "{genre} {key} with {lead}, {drums}, {tempo}",
    "{lead}, {mood}, {tempo}, {key}, {drums}, {register}",
    "a {mood} {genre} piece for {lead}, {tempo}, {key}, {drums}",
    "{register} {lead} {key}, {tempo}, {drums}",
    "{tempo}, {key}, {lead}, {drums}",
    "{drums}, {lead}, {tempo}, {mood}, {key}",
    "{mood} {genre}. {lead}. {drums}, {tempo}",
    "music: {lead} {key}, {tempo}, {drums}",
)
HELD_OUT_TEMPLATES = (
    "please play {lead} {key} for me, {drums}, {tempo}",
    "something {mood} {key}: {lead}, {tempo}, {drums}",
    "{key}. {tempo}. {lead}. {drums}. {register}.",
    "I need a {genre} track, {drums}, {tempo}, {key}, played by {lead}",
)


@dataclass(frozen=True)
class Caption:
    text: str
    named: frozenset[str]  # of tempo, key, drums, register, lead, mood, genre
    bpm: int | None


def draw_bpm(beat_frames: int, rng: random.Random) -> int:
    """A number near the true tempo: mostly within 2 %, else nearer to it than to any other tempo of the grid."""
    if rng.random() < 0.6:
        return round(bpm_of(beat_frames) * rng.uniform(0.98, 1.02))
    tempi = sorted(bpm_of(frames) for frames in BEAT_FRAMES)
    own = bpm_of(beat_frames)
    below = max((t for t in tempi if t < own), default=own / 1.15)
    above = min((t for t in tempi if t > own), default=own * 1.12)
    return round(rng.uniform(max((below * own) ** 0.5, 0.93 * own), min((above * own) ** 0.5, 1.07 * own)))


def phrases(spec: Spec, rng: random.Random, bpm: int | None) -> dict[str, str]:
    """One wording of each property."""
    speed = TEMPO_WORDS[spec.beat_frames]
    number = rng.choice(BPM).format(bpm=bpm) if bpm is not None else ""
    word = rng.choice(TEMPO[speed]) if bpm is None or rng.random() < 0.3 else ""
    return {
        "tempo": " ".join(part for part in (word, number) if part),
        "mood": rng.choice(MOOD[spec.mode, speed]),
        "lead": rng.choice(LEAD[spec.lead]),
        "genre": rng.choice(GENRE[spec.genre]),
        "drums": rng.choice(DRUMS[spec.drums]),
        "register": rng.choice(REGISTER[spec.high]),
        "key": rng.choice(KEY).format(key=f"{spec.root} {spec.mode}"),
    }


def caption(spec: Spec, rng: random.Random, held_out: bool = False, keep: float = 0.75) -> Caption:
    """A caption; each property is named with probability `keep`."""
    bpm = draw_bpm(spec.beat_frames, rng) if rng.random() < 0.65 else None
    template = rng.choice(HELD_OUT_TEMPLATES if held_out else TEMPLATES)
    words = phrases(spec, rng, bpm)
    present = [name for name in words if "{" + name + "}" in template]
    dropped = {name for name in present if rng.random() > keep}
    if len(dropped) == len(present):
        dropped = set()
    text = tidy(template.format(**{name: "" if name in dropped else text for name, text in words.items()}))
    if not held_out and rng.random() < 0.2:
        parts = text.split(", ")
        rng.shuffle(parts)
        text = ", ".join(parts)
    text = recase(text, rng)
    named = frozenset(present) - dropped
    return Caption(text, named, bpm if "tempo" in named else None)


def recase(text: str, rng: random.Random) -> str:
    """As people write: sometimes a capital first, all lower case, or Every Word Capital."""
    draw = rng.random()
    if draw < 0.25:
        return text[:1].upper() + text[1:]
    if draw < 0.35:
        return text.lower()
    return " ".join(word[:1].upper() + word[1:] for word in text.split(" ")) if draw < 0.4 else text


def tidy(text: str) -> str:
    """Close the gaps that dropped properties leave."""
    text = " ".join(text.split())
    for _ in range(4):
        for wrong, right in GAPS:
            text = text.replace(wrong, right)
    for ending in (" with", " for", " played by", ","):
        text = text.removesuffix(ending)
    return text.strip(" ,").replace("with,", "").replace("  ", " ")
