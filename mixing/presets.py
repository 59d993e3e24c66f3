"""Define the mix presets: each instrument family's level, pan position and effects, and the mix's loudness.

A preset names families, not instruments: "upright bass", "bass guitar" and "808" are all bass. An instrument of no
known family is "other". Second and further members of a family are panned apart, so that two guitars are heard as two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mixing.effects import Chorus, Compressor, Delay, Effect, Equalizer, Gain, Highpass, Lowpass, Reverb, shown
from mixing.errors import MixError, SettingError

# The last known word of a name decides: "bass clarinet" is a woodwind, "guitar solo" a guitar.
FAMILIES: Mapping[str, str] = {
    "bass": "bass contrabass 808 sub",
    "drums": "drum drums drumkit kit beat beats kick snare hihat cymbal cymbals breakbeat",
    "percussion": "percussion conga congas bongo bongos shaker tambourine timpani marimba vibraphone bells claves",
    "keys": "piano keys keyboard organ rhodes wurlitzer clavinet harpsichord celesta accordion",
    "guitar": "guitar guitars banjo ukulele mandolin lute sitar",
    "strings": "strings string violin violins viola cello cellos fiddle harp orchestra",
    "brass": "brass trumpet trumpets trombone horn horns tuba cornet",
    "woodwind": "woodwind woodwinds flute clarinet oboe bassoon sax saxophone saxophones recorder",
    "voice": "voice vocal vocals vox choir singer singing",
    "synth": "synth synthesizer arp arpeggio pluck sequence",
    "pad": "pad pads atmosphere ambience drone texture noise",
}
PHRASES: Mapping[str, str] = {
    "bass guitar": "bass",
    "bass drum": "drums",
    "hi hat": "drums",
    "drum machine": "drums",
    "french horn": "brass",
    "synth bass": "bass",
    "string bass": "bass",
    "music box": "keys",
}
OTHER = "other"
_BY_WORD = {word: family for family, words in FAMILIES.items() for word in words.split()}
_SPREAD = 0.35


@dataclass(frozen=True)
class ChannelStrip:
    """Say how one track is mixed: level in dB, panning from -1 (left) to 1, and its effects."""

    level_db: float = 0.0
    pan: float = 0.0
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True)
class MixPreset:
    """Describe a mix: `families` by name, `OTHER` for all others, and the `bus` that the sum goes through."""

    name: str
    description: str
    families: Mapping[str, ChannelStrip]
    bus: tuple[Effect, ...] = ()
    target_lufs: float = -16.0
    headroom_db: float = 1.0

    def channel_strips(self, instruments: Iterable[str]) -> dict[str, ChannelStrip]:
        """Return the channel strip of each instrument, in their order."""
        seen: dict[str, int] = {}
        strips = {}
        for instrument in instruments:
            family = family_of(instrument)
            strip = self.families.get(family) or self.families.get(OTHER, ChannelStrip())
            nth = seen[family] = seen.get(family, -1) + 1
            strips[instrument] = replace(strip, pan=_spread_pan(strip.pan, nth))
        return strips


def _spread_pan(pan: float, nth: int) -> float:
    """Return the nth of a family's panning: on the other side, and each pair further out."""
    if nth == 0:
        return pan
    side = -1.0 if pan > 0 else 1.0
    distance = max(abs(pan), _SPREAD) + _SPREAD * (nth // 2)
    return max(-1.0, min(1.0, (side if nth % 2 else -side) * distance))


def family_of(instrument: str) -> str:
    """Find the family of an instrument by its name: "upright_bass" -> bass, "Jazz Piano 2" -> keys, "x" -> other."""
    words = re.findall(r"[a-z]+|808", instrument.lower())
    spoken = " ".join(words)
    for phrase, family in PHRASES.items():
        if re.search(rf"\b{phrase}\b", spoken):
            return family
    return next((_BY_WORD[word] for word in reversed(words) if word in _BY_WORD), OTHER)


def find_preset(name: object) -> MixPreset:
    """Find a preset by name. Raises MixError that lists the presets."""
    preset = PRESETS.get(name) if isinstance(name, str) else None
    if preset is None:
        message = f"unknown preset; send one of {', '.join(PRESETS)}"
        raise MixError([SettingError("mix_preset", message, shown(name))])
    return preset


def _reverb(wet: float, decay_s: float, **settings: float) -> Reverb:
    return Reverb(decay_s=decay_s, wet=wet, **settings)


def _shelf(frequency_hz: float, gain_db: float, shape: str) -> Equalizer:
    return Equalizer(frequency_hz=frequency_hz, gain_db=gain_db, shape=shape)


def _jazz_club() -> MixPreset:
    """Set up a trio on a small stage: bass in the middle, drums behind it, piano to the audience's left."""
    near, far = _reverb(0.10, 0.7, damping=0.7), _reverb(0.18, 0.8, damping=0.7)
    families = {
        "bass": ChannelStrip(-1.0, 0.0, (Highpass(35), Compressor(-20, 3.0, 20, 150, makeup_db=2), _reverb(0.05, 0.6))),
        "drums": ChannelStrip(-5.0, 0.15, (_shelf(8000, -1.5, "high_shelf"), far)),
        "percussion": ChannelStrip(-6.0, 0.4, (far,)),
        "keys": ChannelStrip(-1.5, -0.35, (Highpass(60), Equalizer(300, -2.0, 0.9), near)),
        "guitar": ChannelStrip(-3.0, 0.45, (Highpass(80), near)),
        "brass": ChannelStrip(-1.0, 0.2, (Equalizer(3000, -1.5, 0.8), far)),
        "woodwind": ChannelStrip(0.0, 0.15, (Equalizer(2500, 1.0, 0.8), far)),
        "voice": ChannelStrip(1.0, 0.0, (Highpass(90), Compressor(-22, 3.0, 8, 120, makeup_db=2), near)),
        "strings": ChannelStrip(-3.0, -0.5, (far,)),
        OTHER: ChannelStrip(-3.0, -0.15, (far,)),
    }
    glue = (Compressor(-14, 1.6, 30, 250),)
    return MixPreset("jazz_club", "a trio on a small stage, close and warm", families, glue, -18.0)


def _concert_hall() -> MixPreset:
    """Set up an orchestra's seats: first violins left, basses right, brass and drums far back."""
    near, hall, back = (_reverb(wet, 2.4, pre_delay_ms=25, damping=0.45) for wet in (0.22, 0.32, 0.42))
    families = {
        "strings": ChannelStrip(0.0, -0.45, (hall,)),
        "bass": ChannelStrip(-1.5, 0.5, (hall,)),
        "woodwind": ChannelStrip(-2.0, 0.1, (hall,)),
        "brass": ChannelStrip(-3.0, 0.35, (_shelf(6000, -2.0, "high_shelf"), back)),
        "drums": ChannelStrip(-6.0, 0.0, (back,)),
        "percussion": ChannelStrip(-5.0, -0.25, (back,)),
        "keys": ChannelStrip(-1.0, -0.1, (near,)),
        "voice": ChannelStrip(0.5, 0.0, (near,)),
        OTHER: ChannelStrip(-3.0, 0.2, (hall,)),
    }
    return MixPreset("concert_hall", "an orchestra in its seats, a long hall", families, (), -20.0)


def _rock_stage() -> MixPreset:
    reverb = _reverb(0.10, 0.9, damping=0.5)
    families = {
        "drums": ChannelStrip(0.0, 0.0, (Compressor(-16, 4.0, 15, 90, makeup_db=3), Equalizer(80, 2.0, 1.0), reverb)),
        "bass": ChannelStrip(-1.0, 0.0, (Highpass(35), Compressor(-20, 5.0, 15, 120, makeup_db=3))),
        "guitar": ChannelStrip(-2.0, -0.7, (Highpass(90), Equalizer(2800, 2.0, 0.8))),
        "keys": ChannelStrip(-5.0, 0.5, (Highpass(120), reverb)),
        "synth": ChannelStrip(-5.0, 0.5, (Highpass(120),)),
        "voice": ChannelStrip(
            1.0, 0.0, (Highpass(100), Compressor(-22, 4.0, 5, 100, makeup_db=3), Delay(120, 0.1, 0.12))
        ),
        OTHER: ChannelStrip(-4.0, 0.35, (reverb,)),
    }
    bus = (Compressor(-14, 2.0, 20, 150), _shelf(9000, 1.0, "high_shelf"))
    return MixPreset("rock_stage", "loud and dry, guitars wide, drums and bass in front", families, bus, -12.0)


def _electronic_club() -> MixPreset:
    families = {
        "drums": ChannelStrip(0.0, 0.0, (Compressor(-14, 4.0, 10, 80, makeup_db=2), Equalizer(60, 2.5, 1.0))),
        "bass": ChannelStrip(-1.0, 0.0, (Lowpass(6000), Compressor(-18, 6.0, 5, 80, makeup_db=3))),
        "synth": ChannelStrip(-3.0, -0.35, (Highpass(150), Chorus(0.6, 2.5, 12, 0.35), Delay(375, 0.35, 0.18))),
        "pad": ChannelStrip(-6.0, 0.0, (Highpass(200), Chorus(0.3, 4.0, 18, 0.5), _reverb(0.35, 2.8))),
        "keys": ChannelStrip(-4.0, 0.35, (Highpass(150), Delay(375, 0.3, 0.15), _reverb(0.15, 1.4))),
        "percussion": ChannelStrip(-5.0, 0.45, (Highpass(200), _reverb(0.12, 0.8))),
        "voice": ChannelStrip(
            0.0, 0.0, (Highpass(120), Compressor(-22, 4.0, 5, 90, makeup_db=3), Delay(375, 0.3, 0.2))
        ),
        OTHER: ChannelStrip(-4.0, -0.3, (_reverb(0.15, 1.4),)),
    }
    bus = (Compressor(-12, 2.0, 30, 120), _shelf(80, 1.0, "low_shelf"))
    return MixPreset("electronic_club", "bass and drums in front, wide synths with echoes", families, bus, -10.0)


def _lofi_room() -> MixPreset:
    tape = (Lowpass(7500), Chorus(0.4, 1.2, 8, 0.3))
    families = {
        "drums": ChannelStrip(-2.0, 0.0, (Lowpass(6500), Compressor(-18, 4.0, 10, 120, makeup_db=2))),
        "bass": ChannelStrip(-2.0, 0.0, (Lowpass(2500), Compressor(-20, 3.0, 20, 150, makeup_db=2))),
        "keys": ChannelStrip(0.0, -0.2, (*tape, _reverb(0.18, 1.0, damping=0.9))),
        "guitar": ChannelStrip(-2.0, 0.3, (*tape, _reverb(0.18, 1.0, damping=0.9))),
        "pad": ChannelStrip(-7.0, 0.0, (Lowpass(4000), _reverb(0.3, 1.8, damping=0.9))),
        OTHER: ChannelStrip(-3.0, 0.2, (*tape,)),
    }
    bus = (Highpass(40), Lowpass(11_000), Compressor(-16, 2.0, 30, 250))
    return MixPreset("lofi_room", "a worn tape in a small room, little treble", families, bus, -16.0)


def _ambient_space() -> MixPreset:
    cloud = _reverb(0.55, 6.0, pre_delay_ms=40, damping=0.6)
    families = {
        "pad": ChannelStrip(0.0, 0.0, (Chorus(0.15, 5.0, 20, 0.5), cloud)),
        "synth": ChannelStrip(-4.0, 0.4, (Delay(650, 0.5, 0.35), cloud)),
        "keys": ChannelStrip(-2.0, -0.25, (Delay(500, 0.4, 0.25), cloud)),
        "guitar": ChannelStrip(-3.0, 0.3, (Delay(500, 0.45, 0.3), cloud)),
        "bass": ChannelStrip(-4.0, 0.0, (Lowpass(1200), _reverb(0.2, 3.0, damping=0.8))),
        "drums": ChannelStrip(-10.0, 0.0, (Highpass(60), _reverb(0.4, 3.5))),
        "percussion": ChannelStrip(-8.0, -0.5, (Delay(650, 0.4, 0.3), cloud)),
        OTHER: ChannelStrip(-3.0, -0.35, (cloud,)),
    }
    return MixPreset("ambient_space", "everything far away, in long echoes", families, (Highpass(30),), -20.0)


def _cinematic() -> MixPreset:
    hall = _reverb(0.3, 3.2, pre_delay_ms=30, damping=0.5)
    families = {
        "strings": ChannelStrip(0.0, -0.35, (hall,)),
        "brass": ChannelStrip(-1.0, 0.3, (hall,)),
        "drums": ChannelStrip(0.0, 0.0, (Equalizer(70, 3.0, 0.9), Compressor(-18, 3.0, 25, 200, makeup_db=2), hall)),
        "percussion": ChannelStrip(-3.0, 0.3, (hall,)),
        "bass": ChannelStrip(-1.0, 0.0, (Equalizer(60, 1.5, 0.9), Compressor(-20, 3.0, 20, 150, makeup_db=1))),
        "keys": ChannelStrip(-2.0, -0.15, (hall,)),
        "pad": ChannelStrip(-6.0, 0.0, (Highpass(120), hall)),
        "voice": ChannelStrip(-1.0, 0.0, (Highpass(100), hall)),
        OTHER: ChannelStrip(-3.0, 0.15, (hall,)),
    }
    bus = (Compressor(-16, 1.5, 40, 300), _shelf(10_000, 1.0, "high_shelf"))
    return MixPreset("cinematic", "wide and deep, low drums, for pictures", families, bus, -18.0)


def _unplugged() -> MixPreset:
    reverb = _reverb(0.12, 0.6, damping=0.6)
    families = {
        "guitar": ChannelStrip(0.0, -0.3, (Highpass(70), Compressor(-22, 2.5, 15, 150, makeup_db=1), reverb)),
        "keys": ChannelStrip(-1.0, 0.3, (Highpass(60), reverb)),
        "voice": ChannelStrip(1.5, 0.0, (Highpass(90), Compressor(-22, 3.0, 8, 120, makeup_db=2), reverb)),
        "bass": ChannelStrip(-2.0, 0.0, (Highpass(35), Compressor(-20, 3.0, 20, 150, makeup_db=1))),
        "percussion": ChannelStrip(-6.0, 0.4, (reverb,)),
        "drums": ChannelStrip(-6.0, 0.0, (Gain(-1), reverb)),
        OTHER: ChannelStrip(-2.0, 0.2, (reverb,)),
    }
    return MixPreset("unplugged", "a living room: strings of wood, hardly any echo", families, (), -16.0)


_ALL = (
    *(_jazz_club(), _concert_hall(), _rock_stage(), _electronic_club()),
    *(_lofi_room(), _ambient_space(), _cinematic(), _unplugged()),
)
PRESETS: Mapping[str, MixPreset] = {preset.name: preset for preset in _ALL}
