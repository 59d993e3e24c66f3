"""music_gen: text and melody to music, from an Ostinato server (`APIClient`) or in this process (`MusicGenerator`).

What needs more than the plain installation (`MusicGenerator`, `AudioMixer`) is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from music_gen import errors
from music_gen.aio import AsyncAPIClient
from music_gen.answers import Batch, Event, Task, Webhook
from music_gen.audio import AudioOutput
from music_gen.client import APIClient
from music_gen.errors import MusicGenError
from music_gen.webhooks import verify_webhook

if TYPE_CHECKING:
    from mixing import AudioMixer
    from music_gen.local import MusicGenerator

__all__ = [
    "APIClient",
    "AsyncAPIClient",
    "AudioMixer",
    "AudioOutput",
    "Batch",
    "Event",
    "MusicGenError",
    "MusicGenerator",
    "Task",
    "Webhook",
    "errors",
    "verify_webhook",
]


def __getattr__(name: str) -> object:
    if name == "MusicGenerator":
        from music_gen.local import MusicGenerator

        return MusicGenerator
    if name == "AudioMixer":
        from music_gen.checkout import load

        return load("mixing", extra="mixing").AudioMixer
    raise AttributeError(f"module 'music_gen' has no attribute {name!r}")
