"""Encode sound that is not all there yet as a file that plays meanwhile: WAV, MP3, Ogg Vorbis, a few frames at a time.

A file's head has lengths that nobody knows yet. WAV says "unknown" for them (0xFFFFFFFF), MP3 and Ogg do without.
Knows no job and no connection.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import IO, Any, Protocol

import numpy as np
import soundfile as sf

from shared.music.formats import FORMATS

UNKNOWN = 0xFFFFFFFF
BYTES_A_SAMPLE = 2
# as the stored files are encoded: shared/audio/encode.py
_SUBTYPES: Mapping[str, Mapping[str, Any]] = {
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT", "compression_level": 0.4},
    "ogg": {"format": "OGG", "subtype": "VORBIS", "compression_level": 0.4},
}
STREAMABLE = ("wav", *_SUBTYPES)


class StreamEncoder(Protocol):
    """Encode one stream. What it returns is to be sent at once, and may be empty."""

    def begin(self) -> bytes: ...

    def add(self, pcm: bytes) -> bytes:
        """Encode complete frames of 16-bit samples, channels interleaved."""
        ...

    def end(self) -> bytes: ...


def media_type_of(name: str) -> str:
    return FORMATS[name].media_type


def open_encoder(name: str, rate_hz: int, channels: int) -> StreamEncoder:
    return WavEncoder(rate_hz, channels) if name == "wav" else CompressedEncoder(name, rate_hz, channels)


class WavEncoder:
    """Write PCM behind a WAV header of unknown length."""

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._rate_hz, self._channels = rate_hz, channels

    def begin(self) -> bytes:
        frame = BYTES_A_SAMPLE * self._channels
        layout = struct.pack("<HHIIHH", 1, self._channels, self._rate_hz, self._rate_hz * frame, frame, 16)
        size = struct.pack("<I", UNKNOWN)
        return b"RIFF" + size + b"WAVEfmt " + struct.pack("<I", 16) + layout + b"data" + size

    def add(self, pcm: bytes) -> bytes:
        return pcm

    def end(self) -> bytes:
        return b""


class CompressedEncoder:
    """Encode by libsndfile, which writes into what cannot be sought in."""

    def __init__(self, name: str, rate_hz: int, channels: int) -> None:
        self._channels = channels
        self._sink = _Sink(drops_first=name == "mp3")
        self._file = sf.SoundFile(self._sink, "w", rate_hz, channels=channels, **_SUBTYPES[name])

    def begin(self) -> bytes:
        return b""

    def add(self, pcm: bytes) -> bytes:
        self._file.write(np.frombuffer(pcm, "<i2").reshape(-1, self._channels))
        return self._sink.take()

    def end(self) -> bytes:
        self._file.close()
        return self._sink.take()


class _Sink:
    """Collect what libsndfile writes. Only what it writes at the end counts: all before was sent, and is final.

    With `drops_first`, neither does the first thing that is written: LAME begins with a frame of silence, in which it
    writes the length at last, if it can.
    """

    def __init__(self, drops_first: bool) -> None:
        self._at = self._size = 0
        self._drops = drops_first
        self._new = bytearray()

    def take(self) -> bytes:
        """Return what was written since the last time."""
        new, self._new = bytes(self._new), bytearray()
        return new

    def write(self, data: Any) -> int:
        written = bytes(data)
        if self._at == self._size:
            if not self._drops:
                self._new += written
            self._drops = False
            self._size += len(written)
        self._at += len(written)
        return len(written)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        return b""

    def flush(self) -> None: ...


def pcm_of(file: IO[bytes], frames: int) -> Any:
    """Return a stored file's rate, channels and an iterator of 16-bit PCM, of at most that many frames a block."""
    stored = sf.SoundFile(file)
    blocks = stored.blocks(blocksize=frames, dtype="int16", always_2d=True)
    return stored.samplerate, stored.channels, (block.astype("<i2").tobytes() for block in blocks)
