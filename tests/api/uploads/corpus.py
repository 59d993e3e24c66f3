"""Recordings of 1.5 s in every format that is read, made when asked for, and what is heard in one."""

from __future__ import annotations

import random
import sys
from functools import cache
from typing import NamedTuple

from api.uploads.recordings import Upload
from tests.audio_fixtures import contained, file_of, noise

SECONDS, RATE_HZ = 1.5, 44_100
PLAIN = {"wav": "wav", "float wav": "float wav", "flac": "flac", "vorbis": "ogg", "opus": "opus", "mp3": "mp3"}
INSIDE: dict[str, tuple[str, str, dict[str, str]]] = {
    "mp3 without a count": ("mp3", "libmp3lame", {"write_xing": "0", "id3v2_version": "0"}),
    "mp3 with a tag": ("mp3", "libmp3lame", {}),
    "mp2": ("mp2", "mp2", {}),
    "aac": ("adts", "aac", {}),
    "m4a": ("ipod", "aac", {}),
    "m4a for the web": ("ipod", "aac", {"moov_size": "4000"}),
    "mp4 in fragments": ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov", "frag_duration": "300000"}),
    "lossless m4a": ("ipod", "alac", {}),
    "mov": ("mov", "pcm_s16be", {}),
    "webm": ("webm", "libopus", {}),
    "live webm": ("webm", "libopus", {"live": "1", "cluster_time_limit": "300"}),
    "mkv of Chromium's pcm": ("matroska", "pcm_f32le", {}),
    "flac in mkv": ("matroska", "flac", {}),
    "flac in ogg": ("ogg", "flac", {}),
    "w64": ("w64", "pcm_s16le", {}),
    "rf64": ("wav", "pcm_s16le", {"rf64": "always"}),
    "24-bit wav": ("wav", "pcm_s24le", {}),
    "adpcm wav": ("wav", "adpcm_ms", {}),
    "mp3 in wav": ("wav", "libmp3lame", {}),
    "aiff": ("aiff", "pcm_s16be", {}),
    "little-endian aifc": ("aiff", "pcm_s16le", {}),
    "float aifc": ("aiff", "pcm_f32be", {}),
    "caf": ("caf", "pcm_s16be", {}),
    "float caf": ("caf", "pcm_f32le", {}),
    "ima4 caf": ("caf", "adpcm_ima_qt", {}),
    "lossless caf": ("caf", "alac", {}),
}
KINDS = (*PLAIN, *INSIDE)


class Heard(NamedTuple):
    seconds: float
    warnings: list[str]


@cache
def recording(kind: str, seconds: float = SECONDS, rate_hz: int = RATE_HZ) -> bytes:
    container, codec, options = INSIDE.get(kind, ("", PLAIN.get(kind, ""), {}))
    rate_hz = 48_000 if codec.endswith("opus") else rate_hz
    sound = noise(seconds, rate_hz=rate_hz, channels=2, peak=0.5)
    return contained(sound, rate_hz, container, codec, **options) if container else file_of(sound, rate_hz, codec)


def hear(upload: bytes, max_s: float = 600, max_samples: int = sys.maxsize) -> Heard:
    """How long it is and what was odd about it. Raises Refusal."""
    reader = Upload(upload, max_s, max_samples)
    seconds = sum(len(block.samples) / block.rate_hz for block in reader.blocks())
    return Heard(seconds, reader.warnings)


def junk(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def id3(size: int) -> bytes:
    """An ID3v2 tag with so many bytes of padding."""
    return b"ID3\x04\x00\x00" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)


ID3V1 = b"TAG" + b"title".ljust(125)


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]
