"""Mix tracks of music into one, with levels, panning, effects and a loudness.

It is a library of its own: no jobs, no HTTP, no model, only plain values. What describes a mix (`mixing.effects`,
`mixing.presets`) needs no numpy, so that a request can be checked where there is none; what computes the audio
(`AudioMixer` and below) is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mixing.effects import EFFECTS, Effect, read_chain
from mixing.presets import PRESETS, MixPreset, family_of, find_preset

if TYPE_CHECKING:
    from mixing.audio import Audio
    from mixing.loudness import Loudness, measure
    from mixing.mixer import AudioMixer

__all__ = [
    "EFFECTS",
    "PRESETS",
    "VERSION",
    "Audio",
    "AudioMixer",
    "Effect",
    "Loudness",
    "MixPreset",
    "family_of",
    "find_preset",
    "measure",
    "read_chain",
]

VERSION = "mixer-2"  # counts on when the same tracks under the same settings would sound otherwise

_LATER = {"Audio": "audio", "AudioMixer": "mixer", "Loudness": "loudness", "measure": "loudness"}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module 'mixing' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"mixing.{_LATER[name]}"), name)
