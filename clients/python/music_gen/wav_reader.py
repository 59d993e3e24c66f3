"""Read and write 16-bit WAV that is not all there: its head, and a reader. Knows the format alone."""

from __future__ import annotations

import struct

from music_gen.errors import UnexpectedAnswer

BYTES_A_SAMPLE = 2
UNKNOWN = 0xFFFFFFFF  # as a length
PCM, EXTENSIBLE = 1, 0xFFFE


def head_of(sample_rate_hz: int, channels: int) -> bytes:
    """Return the head of a file whose length nobody knows yet."""
    frame = BYTES_A_SAMPLE * channels
    layout = struct.pack("<HHIIHH", PCM, channels, sample_rate_hz, sample_rate_hz * frame, frame, 8 * BYTES_A_SAMPLE)
    size = struct.pack("<I", UNKNOWN)
    return b"RIFF" + size + b"WAVEfmt " + struct.pack("<I", len(layout)) + layout + b"data" + size


class WavReader:
    """Read a WAV as it comes, its lengths known or not; `feed` gives complete frames."""

    def __init__(self) -> None:
        self.sample_rate_hz = self.channels = 0
        self._rest = b""
        self._begun = False
        self._left: int | None = None  # bytes of sound to come, once it has begun

    def feed(self, data: bytes) -> bytes:
        """Raises UnexpectedAnswer for what is no 16-bit WAV."""
        self._rest += data
        while self._left is None:
            if not self._read_head():
                return b""
        frame = BYTES_A_SAMPLE * self.channels
        frames_end = min(len(self._rest) // frame * frame, self._left)
        pcm, self._rest = self._rest[:frames_end], self._rest[frames_end:]
        if self._left < UNKNOWN:
            self._left -= frames_end
        return pcm

    def _read_head(self) -> bool:
        """Read the next chunk before the sound; return whether there was enough to read one."""
        start = 0 if self._begun else 12
        if len(self._rest) < start + 8:
            return False
        if self._rest[:4] != b"RIFF" and not self._begun:
            raise UnexpectedAnswer("the stream is no WAV; check base_url")
        name, size = struct.unpack_from("<4sI", self._rest, start)
        body, end = start + 8, start + 8 + size + size % 2
        if name == b"data" and self.channels:
            self._rest, self._left = self._rest[body:], size
            return True
        if len(self._rest) < end:
            return False
        if name == b"fmt ":
            self._read_format(self._rest[body:end])
        self._rest, self._begun = self._rest[end:], True
        return True

    def _read_format(self, body: bytes) -> None:
        kind, self.channels, self.sample_rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
        if kind not in (PCM, EXTENSIBLE) or bits != 8 * BYTES_A_SAMPLE or not self.channels:
            raise UnexpectedAnswer(f"the stream's samples are of kind {kind} with {bits} bits, not 16-bit PCM")
