"""Write levelled samples as a file of one format, and read how loud it is once decoded. Chooses the library.

libsndfile writes wav, flac, mp3, ogg and opus; m4a and aac come from shared/audio/aac.py.
"""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import soundfile as sf

from shared.audio.aac import decode_aac, write_aac
from shared.audio.levels import BLOCK, Levelled, peak_of
from shared.audio.ogg import with_serial
from shared.audio.tags import SOFTWARE, Tags, id3_of
from shared.music.formats import AudioFormat

_SUBTYPES: dict[str, dict[str, Any]] = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
    # 192 kbit/s constant (96 at 16 kHz): at a low bit rate the overshoot grows (3 dB and more on noise)
    "mp3": {
        "format": "MP3",
        "subtype": "MPEG_LAYER_III",
        "bitrate_mode": "CONSTANT",
        "compression_level": 0.4,
    },
    "ogg": {"format": "OGG", "subtype": "VORBIS", "compression_level": 0.4},  # Vorbis quality 6
    "opus": {"format": "OGG", "subtype": "OPUS", "compression_level": 0.6},
}


def write(
    levelled: Levelled, sample_rate_hz: int, audio_format: AudioFormat, tags: Tags | None, ffmpeg: str | None
) -> bytes:
    """Return the file. Raises FormatUnavailable."""
    if audio_format.needs_ffmpeg:
        return write_aac(levelled, sample_rate_hz, audio_format.name, tags, ffmpeg)
    out, checksum = io.BytesIO(), 0
    id3 = audio_format.name == "mp3" and tags is not None
    channels = len(levelled.waveform)
    with sf.SoundFile(out, "w", sample_rate_hz, channels=channels, **_SUBTYPES[audio_format.name]) as file:
        if tags is not None and not id3:
            file.title, file.comment, file.software = tags.title, tags.comment, SOFTWARE
        # By the second: libsndfile 1.2.2 crashes the process when it is handed a minute of Vorbis in one call.
        for frames in levelled.blocks(sample_rate_hz):
            checksum = zlib.crc32(frames.data, checksum)
            # libsndfile rounds differently for wav and for flac
            file.write(frames if audio_format.lossy else np.rint(frames * 32768.0).astype(np.int16))
    data = out.getvalue()
    if audio_format.extension in ("ogg", "opus"):
        return with_serial(data, checksum)
    return id3_of(tags) + data if id3 and tags is not None else data


def decoded_peak(data: bytes, audio_format: AudioFormat) -> float:
    """Return the largest amplitude of a file of that format once it is decoded."""
    blocks = (
        decode_aac(data) if audio_format.needs_ffmpeg else sf.blocks(io.BytesIO(data), blocksize=BLOCK, dtype="float32")
    )
    return max(peak_of(block) for block in blocks)
