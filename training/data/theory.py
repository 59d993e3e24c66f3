"""What the composer knows of music: keys, chords, tempi, instruments. Tables and small pure functions, no randomness.

The domain is narrow on purpose: a few million parameters learn twelve keys and six tempi well, and a hundred of
each badly. Every beat is a whole, even number of codec frames (20 ms), so that the same note at the same place in
a bar always becomes nearly the same codes.
"""

from dataclasses import dataclass

FRAME_RATE_HZ = 50
SAMPLE_RATE_HZ = 32000
FRAME_SAMPLES = SAMPLE_RATE_HZ // FRAME_RATE_HZ
PIECE_FRAMES = 1504  # 30.08 s: one full segment

# Frames per beat -> 68, 79, 94, 107, 125, 150 beats a minute.
BEAT_FRAMES = (44, 38, 32, 28, 24, 20)
TEMPO_WORDS = {44: "slow", 38: "slow", 32: "medium", 28: "medium", 24: "fast", 20: "fast"}

PITCH_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MAJOR_ROOTS = ("C", "D", "F", "G", "A", "Bb")
MINOR_ROOTS = ("A", "B", "C", "D", "E", "G")
MAJOR_STEPS = (0, 2, 4, 5, 7, 9, 11)
MINOR_STEPS = (0, 2, 3, 5, 7, 8, 10)

# Chord loops as (scale degree from 0, quality); every loop starts at home, so the first bar names the key.
LOOPS = {
    "major": (
        ((0, "maj"), (4, "maj"), (5, "min"), (3, "maj")),
        ((0, "maj"), (5, "min"), (3, "maj"), (4, "maj")),
        ((0, "maj"), (3, "maj"), (0, "maj"), (4, "maj")),
        ((0, "maj"), (3, "maj"), (4, "maj"), (0, "maj")),
    ),
    "minor": (
        ((0, "min"), (5, "maj"), (2, "maj"), (6, "maj")),
        ((0, "min"), (3, "min"), (4, "maj"), (0, "min")),
        ((0, "min"), (6, "maj"), (5, "maj"), (4, "maj")),
        ((0, "min"), (5, "maj"), (3, "min"), (4, "maj")),
    ),
}
TRIADS = {"maj": (0, 4, 7), "min": (0, 3, 7)}


def bpm_of(beat_frames: int) -> float:
    """Beats a minute of a beat that lasts so many codec frames."""
    return 60.0 * FRAME_RATE_HZ / beat_frames


def pitch_class(name: str) -> int:
    """The pitch class of a root's name."""
    return PITCH_NAMES.index(name)


def scale_of(root: str, mode: str) -> tuple[int, ...]:
    """The seven pitch classes of a key (natural minor)."""
    steps = MAJOR_STEPS if mode == "major" else MINOR_STEPS
    return tuple((pitch_class(root) + step) % 12 for step in steps)


def chord_pitch_classes(root: str, mode: str, degree: int, quality: str) -> tuple[int, ...]:
    """The three pitch classes of a chord on a degree of the scale."""
    base = scale_of(root, mode)[degree]
    return tuple((base + step) % 12 for step in TRIADS[quality])


@dataclass(frozen=True)
class Palette:
    """Who plays: General MIDI programs (from 0) and loudness for the melody, the chords and the bass."""

    lead_program: int
    chord_program: int
    bass_program: int
    lead_volume: int = 110
    chord_volume: int = 80
    always_high: bool = False


PALETTES = {
    "piano": Palette(0, 0, 32, 127, 44),
    "guitar": Palette(25, 25, 32, 124, 34),
    "strings": Palette(48, 0, 32, 106, 84),
    "flute": Palette(73, 24, 32, 84, 76, always_high=True),
    "synth": Palette(80, 4, 38, 80, 86),
    "organ": Palette(16, 16, 33, 92, 58),
    "music box": Palette(10, 10, 32, 112, 54, always_high=True),
}

DRUM_GENRES = ("pop", "rock", "electronic", "lo-fi")
QUIET_GENRES = ("ballad", "folk", "classical", "lullaby")
KICK, SNARE, CLAP, HAT, OPEN_HAT = 36, 38, 39, 42, 46

# Eight slots a bar (eighth notes): drum key -> slots.
DRUM_PATTERNS: dict[str, dict[int, tuple[int, ...]]] = {
    "pop": {KICK: (0, 4), SNARE: (2, 6), HAT: (0, 1, 2, 3, 4, 5, 6, 7)},
    "rock": {KICK: (0, 3, 4), SNARE: (2, 6), HAT: (0, 2, 4, 6)},
    "electronic": {KICK: (0, 2, 4, 6), CLAP: (2, 6), OPEN_HAT: (1, 3, 5, 7)},
    "lo-fi": {KICK: (0, 5), SNARE: (2, 6), HAT: (0, 1, 2, 3, 4, 5, 6, 7)},
}

# How the chords are played: slots of the bar at which (part of) the chord sounds.
CHORD_PATTERNS = {
    "pop": "beats",
    "rock": "eighths",
    "electronic": "offbeats",
    "lo-fi": "beats",
    "ballad": "beats",
    "folk": "arpeggio",
    "classical": "arpeggio",
    "lullaby": "arpeggio",
}
