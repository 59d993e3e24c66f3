"""What libsndfile cannot read: m4a, aac and webm, by FFmpeg's libraries (PyAV), inside the melody child.

Owns which codecs are opened at all. The child tells the container from the file's first bytes and names it, so that no
other of FFmpeg's hundreds of readers ever sees an upload: a playlist, which could name other files, is no audio here.
Imports nothing of Ostinato.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import av.subtitles.stream  # PyAV itself imports it only when it opens a file, and then no file can be opened
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

CODECS = "aac,alac,flac,libopus,libvorbis,mp3,mp3float,opus,pcm_s16le,vorbis"


class Broken(Exception):
    """The file cannot be read to its end; the message is FFmpeg's."""


def read_container(name: str) -> tuple[int, int, int | None, Iterator[Samples]]:
    """Standard input's first audio: rate in Hz, channels, frames if the header tells, blocks of [samples, channels].

    Raises Broken, at once or while the blocks are read.
    """
    try:
        # nothing else may be opened by what the file says, and no codec but these, not even to look
        options = {"protocol_whitelist": "none", "codec_whitelist": CODECS}
        upload = open(0, "rb", closefd=False)  # noqa: SIM115 - FFmpeg reads it until the process ends
        file = av.open(upload, format=name, options=options)
        if not file.streams.audio:
            raise Broken("no audio in it")
        frames = _decoded(file)
        first = next(frames, None)
    except av.error.FFmpegError as error:
        raise Broken(error.strerror) from None
    if first is None:
        raise Broken("no audio in it")
    seconds = _header_s(file, name)
    length = None if seconds is None else round(seconds * first.sample_rate)
    return first.sample_rate, len(first.layout.channels), length, _blocks(first, frames)


def _decoded(file: Any) -> Iterator[Any]:
    stream = file.streams.audio[0]
    stream.thread_type = "NONE"  # this process may start no thread
    yield from file.decode(stream)


def _header_s(file: Any, name: str) -> float | None:
    """Raw AAC has no header, and what FFmpeg tells of its length is a guess; a browser's recording may have none."""
    stream = file.streams.audio[0]
    if name == "mov" and stream.duration:
        return float(stream.duration * stream.time_base)
    if name == "matroska" and file.duration:
        return float(file.duration / av.time_base)
    return None


def _blocks(first: Any, others: Iterator[Any]) -> Iterator[Samples]:
    planar: Any = av.AudioResampler(format="fltp")
    try:
        yield from (part.to_ndarray().T for part in planar.resample(first))
        for frame in others:
            if frame.sample_rate != first.sample_rate:
                raise Broken("the sample rate changes within the file")
            yield from (part.to_ndarray().T for part in planar.resample(frame))
    except (av.error.FFmpegError, ValueError) as error:
        raise Broken(getattr(error, "strerror", None) or str(error)) from None
