"""Decode a recording by FFmpeg's libraries (PyAV), inside the melody child.

Owns which codecs are opened at all. The container's reader is named by the caller, so that no other of FFmpeg's
hundreds ever sees an upload: a playlist, which could name other files, is no audio here. While the container is opened
no codec is in reach; each track says by name what it is coded with, and a decoder is opened for the first alone, if it
is on the list.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Iterator
from typing import Any, NamedTuple

import av
import av.subtitles.stream  # PyAV itself imports it only when it opens a file, and then no file can be opened
import numpy as np
import numpy.typing as npt

from api.uploads.structure.refusals import Refusal, not_accepted, unreadable

Samples = npt.NDArray[np.float32]

CODECS = frozenset({
    "aac", "alac", "flac", "mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "opus", "libopus", "vorbis",
    "libvorbis", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "gsm_ms", "pcm_alaw", "pcm_mulaw", "pcm_u8", "pcm_s8",
    "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be",
    "pcm_f64le", "pcm_f64be",
})  # fmt: skip
NONE = "none"  # on no list of codecs is there one of that name
TWO_TRACKS = "it has {} audio tracks: the first was heard"
FORMATS = {  # of samples, as FFmpeg names them: how they are stored, and what makes them -1 to 1
    "u8": (np.uint8, 2.0**-7),
    "s16": (np.int16, 2.0**-15),
    "s32": (np.int32, 2.0**-31),
    "flt": (np.float32, 1.0),
    "dbl": (np.float64, 1.0),
}
REPAIRED = ("wav", "aiff")  # their headers count bytes, and api/uploads writes them anew
BATCH_FRAMES = 1 << 14  # a codec's own frames are small, and each would cost the caller a turn


class Block(NamedTuple):
    """Hold samples [samples, channels] of one rate, and which speakers they are for, if the file says."""

    samples: Samples
    rate_hz: int
    speakers: tuple[str, ...] = ()


class Container:
    """Read the first audio track of a recording. `bad` of its `packets` could not be decoded."""

    def __init__(self, file: Any, reader: str) -> None:
        """Open it. Raises Refusal for no audio, or a codec that is not accepted."""
        self.packets = self.bad = 0
        self.last_is_bad = False
        self.error = ""
        self.first_s: float | None = None  # by the packets' own times
        self.end_s = 0.0
        try:
            options = {"protocol_whitelist": NONE, "codec_whitelist": NONE}
            self._file: Any = av.open(file, format=reader, options=options)
        except (av.error.FFmpegError, ValueError) as error:
            raise _failed(error) from None
        tracks = self._file.streams.audio
        if not tracks:
            raise unreadable("no audio in it")
        self._track: Any = tracks[0]
        self.warnings = (TWO_TRACKS.format(len(tracks)),) if len(tracks) > 1 else ()
        self._open(self._track.codec_context)

    @property
    def repaired_s(self) -> float | None:
        """Return the length by a header that was made to fit the content; None where it is the file's own."""
        if self._file.format.name not in REPAIRED or self._track.duration is None:
            return None
        return float(self._track.duration * self._track.time_base)

    @property
    def rate_hz(self) -> int:
        """Return what the container says, which its frames may contradict."""
        return int(self._track.codec_context.sample_rate or 0)

    @property
    def channels(self) -> int:
        """Return what the container says, which its frames may contradict."""
        return int(_kept(self._track.codec_context.layout).nb_channels)

    def _open(self, context: Any) -> None:
        name = context.name if context is not None else "a codec without a name"
        if name not in CODECS:
            raise not_accepted(f"coded as {name}")
        context.options = {"codec_whitelist": name} | ({"err_detect": "crccheck+explode"} if name == "flac" else {})
        context.thread_type = "NONE"  # this process may start no thread

    def blocks(self) -> Iterator[Block]:
        """Yield all that can be decoded. A packet that cannot be costs itself alone."""
        batch: list[Block] = []
        frames = 0
        for block in self._frames():
            if batch and not _alike(batch[0], block):
                yield _joined(batch)
                batch, frames = [], 0
            batch.append(block)
            frames += len(block.samples)
            if frames >= BATCH_FRAMES:
                yield _joined(batch)
                batch, frames = [], 0
        if batch:
            yield _joined(batch)

    def _frames(self) -> Iterator[Block]:
        try:
            for packet in self._file.demux(self._track):
                yield from self._decoded(packet)
        except (av.error.FFmpegError, ValueError) as error:
            raise _failed(error) from None

    def _decoded(self, packet: Any) -> Iterator[Block]:
        flush = not packet.size
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if error.errno == errno.ENOMEM:
                raise MemoryError from None
            if not flush:
                self.packets, self.bad, self.last_is_bad = self.packets + 1, self.bad + 1, True
                self.error = str(error.strerror)
            return
        for frame in frames:
            _kept(frame.layout)
        if not flush:
            self.packets, self.last_is_bad = self.packets + 1, False
            if packet.pts is not None:
                begin_s, length_s = (float(ticks * packet.time_base) for ticks in (packet.pts, packet.duration or 0))
                self.first_s = begin_s if self.first_s is None else self.first_s
                self.end_s = begin_s + length_s
        yield from map(_block, frames)


def _kept(layout: Any) -> Any:
    """Return the layout, never to be freed: PyAV 18 would free its list of speakers, which FFmpeg frees as well."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    return layout


def _block(frame: Any) -> Block:
    kind = frame.format.name.removesuffix("p")
    scale = FORMATS[kind][1]
    with np.errstate(over="ignore"):  # what is too much for 32 bits becomes infinite, and is refused as that
        floats = _stored(frame).astype(np.float32)
    if kind == "u8":
        floats -= np.float32(128)
    if scale != 1.0:
        floats *= np.float32(scale)
    return Block(floats, frame.sample_rate, tuple(channel.name for channel in frame.layout.channels))


def _stored(frame: Any) -> npt.NDArray[Any]:
    """Return the frame's samples [samples, channels] as they are stored.

    Not by its `to_ndarray`: for eight channels in planes, PyAV 18 counts a ninth plane, which is no memory.
    """
    kind, channels = FORMATS[frame.format.name.removesuffix("p")][0], frame.layout.nb_channels
    planes = frame.planes[: channels if frame.format.is_planar else 1]
    wanted = frame.samples * channels // len(planes)
    arrays = [np.frombuffer(plane, kind, count=wanted) for plane in planes]
    return np.stack(arrays, axis=1) if frame.format.is_planar else arrays[0].reshape(-1, channels)


def _alike(first: Block, other: Block) -> bool:
    return first[1:] == other[1:] and first.samples.shape[1] == other.samples.shape[1]


def _joined(blocks: list[Block]) -> Block:
    return blocks[0]._replace(samples=np.concatenate([block.samples for block in blocks]))


def _failed(error: Exception) -> Refusal | MemoryError:
    if isinstance(error, av.error.FFmpegError) and error.errno == errno.ENOMEM:
        return MemoryError()
    return unreadable(getattr(error, "strerror", None) or str(error))
