"""List the words that models take up well in a prompt, for those who would not know what to write."""

from __future__ import annotations

from dataclasses import dataclass

TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


@dataclass(frozen=True)
class Vocabulary:
    """Hold words by what they decide, and whole prompts. `summary` says in a sentence what can be made of them."""

    summary: str
    instruments: tuple[str, ...]
    moods: tuple[str, ...]
    genres: tuple[str, ...]
    tempi: tuple[str, ...]
    keys: tuple[str, ...]
    drums: tuple[str, ...]
    examples: tuple[str, ...]


TINY = Vocabulary(
    summary="Short, simple pieces: one of five instruments over chords and bass, with drums or without. No voices.",
    instruments=("piano", "guitar", "flute", "synth", "strings"),
    moods=("calm", "gentle", "dreamy", "happy", "playful", "energetic", "sad", "mysterious", "dramatic"),
    genres=("rock", "pop", "funk", "electronic", "lo-fi", "soul", "ballad", "folk", "classical", "lullaby", "ambient"),
    tempi=("slow", "medium tempo", "fast"),
    keys=tuple(f"{tonic} {mode}" for mode in ("major", "minor") for tonic in TONICS),
    drums=("no drums", "with soft drums", "with rock drums", "with dance drums"),
    examples=(
        "slow sad piano in A minor, no drums",
        "fast happy synth with dance drums in C major",
        "gentle flute lullaby, slow, in G major, no drums",
        "funky guitar in E minor, medium tempo, with rock drums",
        "dreamy strings, ambient, slow, in D major, no drums",
        "playful synth melody, fast, in F major, with drums",
        "melancholic guitar ballad in D minor, slow, with soft drums",
        "calm classical piano in Eb major, medium tempo, without drums",
    ),
)
PUBLISHED_MODELS = Vocabulary(
    summary="Music of most styles, learned from stock music with its descriptions. No voices; keys are hit by chance.",
    instruments=("piano", "acoustic guitar", "electric guitar", "violin", "synth", "saxophone", "strings", "bass"),
    moods=("calm", "warm", "happy", "energetic", "dark", "melancholic", "epic", "dreamy"),
    genres=("lo-fi", "jazz", "rock", "80s pop", "techno", "hip hop", "classical", "folk", "ambient", "reggae"),
    tempi=("slow", "mid-tempo", "fast"),
    keys=(),
    drums=("no drums", "soft brushes", "driving drums", "heavy drums"),
    examples=(
        "80s pop track with bassy drums and synth",
        "warm lo-fi piano with vinyl crackle, slow, soft drums",
        "energetic rock with electric guitar and driving drums",
        "calm acoustic guitar with strings, folk, no drums",
        "dark ambient pads with distant piano",
        "upbeat jazz with saxophone, double bass and soft brushes",
    ),
)
