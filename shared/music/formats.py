"""List the audio formats that Ostinato writes: names, media types and extensions. Knows nothing of encoding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class AudioFormat:
    """Describe a format. `extension` has no dot. `lossy`: the decoded samples differ from those encoded.

    `only_rate_hz` is the one sample rate that the format has; None for one that has any.
    """

    name: str
    media_type: str
    extension: str
    lossy: bool
    only_rate_hz: int | None = None


FORMATS: Mapping[str, AudioFormat] = MappingProxyType(
    {
        "wav": AudioFormat("wav", "audio/wav", "wav", lossy=False),
        "mp3": AudioFormat("mp3", "audio/mpeg", "mp3", lossy=True),
        "ogg": AudioFormat("ogg", "audio/ogg", "ogg", lossy=True),
        "opus": AudioFormat("opus", "audio/ogg", "opus", lossy=True, only_rate_hz=48_000),
        "flac": AudioFormat("flac", "audio/flac", "flac", lossy=False),
    }
)
