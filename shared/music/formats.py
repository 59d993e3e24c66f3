"""List the audio formats that Ostinato writes: names, media types and extensions. Knows nothing of encoding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class AudioFormat:
    """Describe a format. `extension` has no dot. `lossy`: the decoded samples differ from those encoded.

    `only_rate_hz` is the one sample rate that the format has; None for one that has any. `needs_ffmpeg`: a worker
    without an ffmpeg program cannot write it. `schema`: of a job's record, that processes must know to read one of it.
    """

    name: str
    media_type: str
    extension: str
    lossy: bool
    only_rate_hz: int | None = None
    needs_ffmpeg: bool = False
    schema: int = 0


FORMATS: Mapping[str, AudioFormat] = MappingProxyType(
    {
        "wav": AudioFormat("wav", "audio/wav", "wav", lossy=False),
        "mp3": AudioFormat("mp3", "audio/mpeg", "mp3", lossy=True),
        "ogg": AudioFormat("ogg", "audio/ogg", "ogg", lossy=True),
        "opus": AudioFormat("opus", "audio/ogg", "opus", lossy=True, only_rate_hz=48_000),
        "flac": AudioFormat("flac", "audio/flac", "flac", lossy=False),
        "m4a": AudioFormat("m4a", "audio/mp4", "m4a", lossy=True, needs_ffmpeg=True, schema=4),
        "aac": AudioFormat("aac", "audio/aac", "aac", lossy=True, needs_ffmpeg=True, schema=4),
    }
)
WITHOUT_FFMPEG = ", ".join(each.name for each in FORMATS.values() if not each.needs_ffmpeg)
FFMPEG_REMEDY = "install ffmpeg, or pip install imageio-ffmpeg, or set FFMPEG to a program that encodes AAC"


def lacks_ffmpeg(name: str, whose: str) -> str:
    """Return what is wrong with that format on a machine without an ffmpeg program, `whose`, and the remedies."""
    return (
        f"{name} needs an ffmpeg program, which {whose} does not have. Send one of {WITHOUT_FFMPEG}; "
        f"or {FFMPEG_REMEDY} there, and start it again"
    )
