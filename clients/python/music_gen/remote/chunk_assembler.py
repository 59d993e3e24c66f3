"""Turn bytes of a stream, as they come, into AudioChunks. Opens no connection and does not wait."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import numpy as np

from music_gen.audio import Samples
from music_gen.audio_decoder import decode
from music_gen.remote.retry import Outcome
from music_gen.wav_reader import BYTES_A_SAMPLE, WavReader

FULL_SCALE = np.float32(32768)


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """Hold a part of a clip, as soon as it is there. Joined, those since the last `restart` are the clip's samples."""

    pcm: bytes  # 16-bit, little-endian, channels interleaved
    sample_rate_hz: int
    channels: int
    at_s: float  # where in the clip it begins
    progress: float | None = None  # percent of the clip that is there with it; None where its length was not given
    restart: bool = False  # forget the chunks before it: the server makes the clip anew, and it came out differently

    def numpy(self) -> Samples:
        """Return the samples, [channels, samples]; full scale is 1.0."""
        frames = np.frombuffer(self.pcm, "<i2").reshape(-1, self.channels)  # [samples, channels]
        return np.ascontiguousarray(frames.T.astype(np.float32) / FULL_SCALE)

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / (BYTES_A_SAMPLE * self.channels * self.sample_rate_hz)


class ChunkAssembler:
    """Assemble a clip's chunks from streams that may break: one that begins again gives only what is new.

    Where it begins again with other samples (another machine may round otherwise), the next chunk says `restart`.
    """

    def __init__(self, duration_s: float | None) -> None:
        self.broken: Outcome | None = None  # what the last stream ended with, where that was not its proper end
        self.request: httpx.Request | None = None  # the last stream's
        self._duration_s = duration_s
        self._reader = WavReader()
        self._assembled = bytearray()
        self._at = 0  # bytes of this stream

    @property
    def assembled_bytes(self) -> int:
        return len(self._assembled)

    @property
    def stream_s(self) -> float:
        """Return the seconds that the last stream gave."""
        a_second = BYTES_A_SAMPLE * self._reader.channels * self._reader.sample_rate_hz
        return self._at / a_second if a_second else 0.0

    def begin(self) -> None:
        """Begin a stream, which starts with the clip's first sample."""
        self._reader, self._at, self.broken = WavReader(), 0, None

    def feed(self, data: bytes) -> AudioChunk | None:
        """Return what is new in these bytes. Raises UnexpectedAnswer."""
        return self._take(self._reader.feed(data))

    def feed_file(self, data: bytes, format: str = "wav") -> AudioChunk | None:
        """Return all that is new at once, from the finished file, whatever its format. Raises DecoderMissing."""
        samples, rate_hz = decode(data, format, "int16")
        self.begin()
        self._reader.sample_rate_hz, self._reader.channels = rate_hz, len(samples)
        return self._take(samples.T.astype("<i2").tobytes()) or self.end()

    def end(self) -> AudioChunk | None:
        """End the stream, of which everything was given."""
        return self._chunk(0, restart=True, keep=self._at) if self._at < len(self._assembled) else None

    def _take(self, pcm: bytes) -> AudioChunk | None:
        if not pcm:
            return None
        begin, self._at = self._at, self._at + len(pcm)
        had = self._assembled[begin : self._at]
        if pcm[: len(had)] != had:
            del self._assembled[begin:]
            self._assembled += pcm
            return self._chunk(0, restart=True)
        start = len(self._assembled)
        self._assembled += pcm[len(had) :]
        return self._chunk(start) if len(had) < len(pcm) else None

    def _chunk(self, start: int, *, restart: bool = False, keep: int | None = None) -> AudioChunk:
        if keep is not None:
            del self._assembled[keep:]
        rate_hz, channels = self._reader.sample_rate_hz, self._reader.channels
        bytes_a_second = BYTES_A_SAMPLE * channels * rate_hz
        received_s = len(self._assembled) / bytes_a_second
        progress = None if not self._duration_s else min(100.0, 100 * received_s / self._duration_s)
        pcm = bytes(self._assembled[start:])
        return AudioChunk(pcm, rate_hz, channels, start / bytes_a_second, progress, restart)
