"""Make music from text and melody: on an Ostinato server (`APIClient`) or in this process (`MusicGenerator`).

Importing it is light: what `MusicGenerator`, `MultiInstrumentGenerator` and `AudioMixer` need beyond the plain
installation is loaded when one is made.
"""

from music_gen import errors
from music_gen.audio import AudioOutput
from music_gen.errors import MusicGenError
from music_gen.local.generator import MusicGenerator
from music_gen.local.mixer import AudioMixer
from music_gen.local.multi_instrument import MultiInstrumentGenerator
from music_gen.remote.async_client import AsyncAPIClient
from music_gen.remote.audio_stream import AsyncAudioStream, AudioStream
from music_gen.remote.chunk_assembler import AudioChunk
from music_gen.remote.client import APIClient
from music_gen.tracks import Tracks
from music_gen.types import Batch, Event, Part, Task, Webhook
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
