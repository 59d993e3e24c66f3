"""An upload inside the process that decodes it: which files are opened at all, and how they are read, block by block.

Owns what is wrong with a file before a sample of it is looked at: its format, its header, a part that is missing.
Imports nothing of Ostinato (`api.melody_child` says why).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile as sf

Samples = npt.NDArray[np.float32]

FORMATS = {"WAV": "wav", "WAVEX": "wav", "RF64": "wav", "FLAC": "flac", "OGG": "ogg", "MP3": "mp3"}
ACCEPTED = "wav, mp3, ogg, flac, m4a, aac or webm"
MIN_S = 0.1
RATES_HZ = (4_000, 192_000)
MAX_CHANNELS = 8
BLOCK_FRAMES = 1 << 16
UNKNOWN_FRAMES = 1 << 62  # libsndfile's count for a stream whose header gives no length
MISSING_S = 0.25  # a header may promise this much more than there is: encoder padding


class Refusal(Exception):
    """What is wrong with the file, and the remedy."""

    def __init__(self, message: str, value: str = "") -> None:
        super().__init__(message)
        self.message, self.value = message, value


class Source(NamedTuple):
    """An opened upload. `frames` is None where its header gives no length; a block is [samples, channels]."""

    rate_hz: int
    channels: int
    frames: int | None
    blocks: Iterator[Samples]


class Stream(sf.SoundFile):  # type: ignore[misc] # soundfile has no types
    """A file read from front to back. soundfile seeks after each read, which fails on a wrong header."""

    def seekable(self) -> bool:
        return False


def open_upload(max_s: float, container: Callable[[], Any]) -> Source:
    """Standard input, or a Refusal. `container` loads the reader (melody_container) of what libsndfile cannot read."""
    size = os.fstat(0).st_size
    if not size:
        raise Refusal("the file is empty; attach the recording itself", "0 bytes")
    _check_riff_length(size)
    name = _container_of(os.pread(0, 12, 0))
    source = _open_container(container(), name) if name else _open_plain()
    _check_header(source, max_s)
    return source


def blocks_of(source: Source, max_s: float) -> Iterator[Samples]:
    """All of it, at most `max_s`, or a Refusal: also at the end, for one whose header promised more."""
    frames = 0
    for block in source.blocks:
        frames += len(block)
        if frames > max_s * source.rate_hz:
            _check_length(frames / source.rate_hz, max_s)
        yield block
    if source.frames is not None and source.frames - frames > MISSING_S * source.rate_hz:
        raise _damaged(f"{frames / source.rate_hz:.1f} of {source.frames / source.rate_hz:.1f} s can be read")
    _check_length(frames / source.rate_hz, max_s)


def _open_plain() -> Source:
    try:
        stream = Stream(0, closefd=False)
    except sf.LibsndfileError:
        raise Refusal(f"the file is not audio that can be read here; send {ACCEPTED}") from None
    if stream.format not in FORMATS:
        raise Refusal(f"the file's format is not accepted; send {ACCEPTED}", str(stream.format))
    frames = stream.frames if stream.frames < UNKNOWN_FRAMES else None
    return Source(stream.samplerate, stream.channels, frames, _blocks(stream))


def _blocks(stream: Stream) -> Iterator[Samples]:
    while True:
        try:
            block = stream.read(BLOCK_FRAMES, dtype="float32", always_2d=True)
        except sf.LibsndfileError as error:
            raise _damaged(str(error)) from None
        if not len(block):
            return
        yield block


def _container_of(head: bytes) -> str | None:
    """FFmpeg's name for the reader of a file that begins so; None for what libsndfile reads."""
    if head[4:8] == b"ftyp":
        return "mov"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # raw AAC; mp3 has other layer bits
        return "aac"
    return None


def _open_container(reader: Any, name: str) -> Source:
    try:
        rate_hz, channels, frames, parts = reader.read_container(name)
    except reader.Broken as error:
        message = f"the file is damaged, was cut off, or is not audio that can be read here; send {ACCEPTED}, whole"
        raise Refusal(message, str(error)) from None
    return Source(rate_hz, channels, frames, _whole(parts, reader.Broken))


def _whole(parts: Iterator[Samples], broken: type[Exception]) -> Iterator[Samples]:
    try:
        yield from parts
    except broken as error:
        raise _damaged(str(error)) from None


def _check_riff_length(size: int) -> None:
    """libsndfile reads a WAV that was cut off as a shorter one; the recording's end would be missing silently."""
    head = os.pread(0, 8, 0)
    if head[:4] != b"RIFF":
        return
    promised = int.from_bytes(head[4:8], "little") + 8
    streamed = promised >= 0x7FFF0000  # a program that writes into a pipe cannot know the length
    if promised > size + 1 and not streamed:  # + 1: some leave out the last pad byte
        raise Refusal("the file was cut off; upload it again, whole", f"{size} of {promised} bytes")


def _check_header(source: Source, max_s: float) -> None:
    if not RATES_HZ[0] <= source.rate_hz <= RATES_HZ[1]:
        accepted = f"{RATES_HZ[0]} to {RATES_HZ[1]} Hz"
        raise Refusal(f"the sample rate must be {accepted}; resample the file", f"{source.rate_hz} Hz")
    if source.channels > MAX_CHANNELS:
        raise Refusal(
            f"at most {MAX_CHANNELS} channels are accepted; mix it to mono or stereo",
            f"{source.channels} channels",
        )
    if source.frames is not None:
        _check_length(source.frames / source.rate_hz, max_s)


def _check_length(seconds: float, max_s: float) -> None:
    if seconds > max_s:
        raise Refusal(f"the recording is longer than {max_s:g} s; cut it to the part that counts", f"{seconds:.1f} s")
    if seconds < MIN_S:
        raise Refusal(f"the recording is shorter than {MIN_S:g} s; send a longer one", f"{seconds:.3f} s")


def _damaged(value: str) -> Refusal:
    return Refusal("the file is damaged or was cut off; export it again and upload it whole", value)
