"""Define the composer's music theory: keys, chords, tempi, instruments. Tables and small pure functions, no randomness.

The domain is narrow on purpose. Every beat is a whole, even number of codec frames (20 ms), so that musical time can be
counted exactly in codes. Chords are the six common triads of a scale; a minor key is its relative major's scale with
another home.
"""

from dataclasses import dataclass

FRAME_RATE_HZ = 50
SAMPLE_RATE_HZ = 32000
FRAME_SAMPLES = SAMPLE_RATE_HZ // FRAME_RATE_HZ
SEGMENT_FRAMES = 1500  # 30 s: one full segment

# Frames per beat -> 65, 75, 83, 94, 107, 125, 150, 167 beats a minute: nearly every tempo from 60 to 180 has one of
# them within 8 %.
BEAT_FRAMES = (46, 40, 36, 32, 28, 24, 20, 18)
TEMPO_WORDS = {46: "slow", 40: "slow", 36: "slow", 32: "medium", 28: "medium", 24: "fast", 20: "fast", 18: "fast"}
SLOTS_PER_CHORD = 4  # eighth notes; a chord lasts two beats

MODES = ("major", "minor")
SCALE_STEPS = (0, 2, 4, 5, 7, 9, 11)  # of the major scale; natural minor begins it at its sixth
TRIAD_STEPS = (0, 2, 4, 5, 7, 9)  # roots of I ii iii IV V vi above the scale's major tonic
TRIAD_MINOR = (False, True, True, False, False, True)
HOME = {"major": 0, "minor": 5}  # which of these triads a mode comes home to

# Chord loops as numbers into TRIAD_STEPS. Each begins at home and sounds all seven notes of the scale.
LOOPS = {
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 0, 4), (0, 3, 4, 0)),
    "minor": ((5, 3, 0, 4), (5, 1, 2, 5), (5, 4, 3, 4), (5, 3, 1, 2)),
}

LOWEST_LEAD, HIGHEST_LEAD = 60, 84
REGISTERS = {False: (60, 72), True: (72, 84)}  # inclusive, of the melody
LOWEST_BASS, LOWEST_CHORD = 36, 48  # an octave each


def bpm_of(beat_frames: int) -> float:
    """Return the beats a minute of a beat that lasts so many codec frames."""
    return 60.0 * FRAME_RATE_HZ / beat_frames


def scale_number(tonic: int, mode: str) -> int:
    """Return the scale's major tonic as a pitch class: a key and its relative share it."""
    return (tonic + (0 if mode == "major" else 3)) % 12


def scale_of(scale: int) -> frozenset[int]:
    """Return the seven pitch classes of a scale."""
    return frozenset((scale + step) % 12 for step in SCALE_STEPS)


def triad(scale: int, degree: int) -> tuple[int, int, int]:
    """Return the pitch classes of a chord, the root first."""
    root = (scale + TRIAD_STEPS[degree]) % 12
    return root, (root + (3 if TRIAD_MINOR[degree] else 4)) % 12, (root + 7) % 12


@dataclass(frozen=True)
class Instrument:
    """Hold a General MIDI program (from 0) and how loud its part is in the mix, relative to a full mix of 1."""

    program: int
    level: float


# The melody's instruments: what each is called is in caption.py.
LEADS = {
    "piano": Instrument(0, 0.34),
    "guitar": Instrument(25, 0.30),
    "flute": Instrument(73, 0.22),
    "synth": Instrument(80, 0.20),
    "strings": Instrument(48, 0.22),
}
LEAD_NAMES = tuple(LEADS)
ALWAYS_HIGH = ("flute",)

# Two accompaniments, each a chord instrument with a bass: struck on every beat, or held through the chord.
STRUCK, SUSTAINED = 0, 1
ACCOMPANIMENT = {"piano": STRUCK, "guitar": STRUCK, "flute": STRUCK, "synth": SUSTAINED, "strings": SUSTAINED}
CHORDS = {STRUCK: Instrument(0, 0.05), SUSTAINED: Instrument(48, 0.045)}
BASSES = {STRUCK: Instrument(32, 0.10), SUSTAINED: Instrument(33, 0.10)}

KICK, RIM, SNARE, CLAP, HAT, OPEN_HAT = 36, 37, 38, 39, 42, 46
# Kits: what is hit on the four eighths of a chord (two beats), as sets of General MIDI drum keys.
KITS: dict[str, tuple[frozenset[int], ...]] = {
    "rock": (frozenset({KICK, HAT}), frozenset({HAT}), frozenset({SNARE, HAT}), frozenset({HAT})),
    "dance": (frozenset({KICK}), frozenset({OPEN_HAT}), frozenset({KICK, CLAP}), frozenset({OPEN_HAT})),
    "soft": (frozenset({KICK}), frozenset(), frozenset({RIM, HAT}), frozenset()),
}
DRUM_LEVEL = {KICK: 0.42, RIM: 0.22, SNARE: 0.3, CLAP: 0.25, HAT: 0.16, OPEN_HAT: 0.14}  # peak

KIT_GENRES = {
    "rock": ("rock", "pop", "funk"),
    "dance": ("electronic", "dance", "techno"),
    "soft": ("lo-fi", "ballad", "soul"),
    "": ("classical", "folk", "lullaby", "ambient", "ballad"),
}
