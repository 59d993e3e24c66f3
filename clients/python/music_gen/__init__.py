"""Make music from text and melody: on an Ostinato server (`APIClient`) or in this process (`MusicGenerator`).

Importing it is light: each name is loaded when it is first asked for, and what `MusicGenerator`,
`MultiInstrumentGenerator` and `AudioMixer` need beyond the plain installation when one is made.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from music_gen import errors
    from music_gen.audio import AudioOutput
    from music_gen.errors import MusicGenError
    from music_gen.local.generator import MusicGenerator
    from music_gen.local.mixer import AudioMixer
    from music_gen.local.multi_instrument import MultiInstrumentGenerator
    from music_gen.remote.admin_client import AdminClient
    from music_gen.remote.async_admin_client import AsyncAdminClient
    from music_gen.remote.async_client import AsyncAPIClient
    from music_gen.remote.audio_stream import AsyncAudioStream, AudioStream
    from music_gen.remote.chunk_assembler import AudioChunk
    from music_gen.remote.client import APIClient
    from music_gen.tracks import Clips, Tracks
    from music_gen.types import Batch, Event, Part, Share, Task, Webhook
    from music_gen.version import __version__
    from music_gen.webhooks import verify_webhook

__all__ = [
    "APIClient",
    "AdminClient",
    "AsyncAPIClient",
    "AsyncAdminClient",
    "AsyncAudioStream",
    "AudioChunk",
    "AudioMixer",
    "AudioOutput",
    "AudioStream",
    "Batch",
    "Clips",
    "Event",
    "MultiInstrumentGenerator",
    "MusicGenError",
    "MusicGenerator",
    "Part",
    "Share",
    "Task",
    "Tracks",
    "Webhook",
    "__version__",
    "errors",
    "verify_webhook",
]
_HOMES = {
    "APIClient": "remote.client",
    "AdminClient": "remote.admin_client",
    "AsyncAPIClient": "remote.async_client",
    "AsyncAdminClient": "remote.async_admin_client",
    "AsyncAudioStream": "remote.audio_stream",
    "AudioChunk": "remote.chunk_assembler",
    "AudioMixer": "local.mixer",
    "AudioOutput": "audio",
    "AudioStream": "remote.audio_stream",
    "Batch": "types",
    "Clips": "tracks",
    "Event": "types",
    "MultiInstrumentGenerator": "local.multi_instrument",
    "MusicGenError": "errors",
    "MusicGenerator": "local.generator",
    "Part": "types",
    "Share": "types",
    "Task": "types",
    "Tracks": "tracks",
    "Webhook": "types",
    "__version__": "version",
    "verify_webhook": "webhooks",
}

if not TYPE_CHECKING:  # a type checker would take any name then

    def __getattr__(name):
        if name == "errors":
            return import_module("music_gen.errors")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found = getattr(import_module(f"music_gen.{_HOMES[name]}"), name)
        return found

    def __dir__():
        return sorted({*globals(), *__all__})
