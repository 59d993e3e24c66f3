"""music_gen: text and melody to music, from an Ostinato server (`APIClient`) or in this process (`MusicGenerator`).

Importing it is light: what `MusicGenerator`, `MultiInstrumentGenerator` and `AudioMixer` need beyond the plain
installation is loaded when one is made.
"""

from music_gen import errors
from music_gen.aio import AsyncAPIClient
from music_gen.answers import Batch, Event, Part, Task, Webhook
from music_gen.audio import AudioOutput
from music_gen.client import APIClient
from music_gen.errors import MusicGenError
from music_gen.hearing import AudioChunk
from music_gen.instruments import MultiInstrumentGenerator
from music_gen.listening import AsyncAudioStream, AudioStream
from music_gen.local import MusicGenerator
from music_gen.mixer import AudioMixer
from music_gen.tracks import Tracks
from music_gen.webhooks import verify_webhook

__all__ = [
    "APIClient",
    "AsyncAPIClient",
    "AsyncAudioStream",
    "AudioChunk",
    "AudioMixer",
    "AudioOutput",
    "AudioStream",
    "Batch",
    "Event",
    "MultiInstrumentGenerator",
    "MusicGenError",
    "MusicGenerator",
    "Part",
    "Task",
    "Tracks",
    "Webhook",
    "errors",
    "verify_webhook",
]
