"""Find which samples of a streamed job one connection is to get next, after a new attempt too.

A new attempt begins from the first sample again. The same seed and the same engine make the same samples, but a batch
of another size, another device or another version may not: so what the connection was sent is compared with what the
new attempt makes, by its digest, and only if the two are equal it gets the rest. Knows no format and no connection.
"""

from __future__ import annotations

import hashlib

from shared.jobs.audio_chunks import Chunk


class BrokenOff(Exception):
    """Say why this connection cannot be sent the rest of what it has begun to get."""


class ResumePoint:
    """Pass on one attempt's sound: `take` every chunk in order; what it returns, joined, begins at the first sample."""

    def __init__(self) -> None:
        self.is_complete = False  # the attempt's last chunk was taken
        self.sent_bytes = 0
        self._sent = hashlib.sha256()
        self._again = hashlib.sha256()
        self._behind = 0  # bytes of the new attempt that were sent of the one before
        self._layout: tuple[int, int] | None = None  # rate, channels

    def take(self, chunk: Chunk) -> bytes:
        """Return the samples that are new to this connection. Raises BrokenOff."""
        if self._layout not in (None, (chunk.rate_hz, chunk.channels)):
            raise BrokenOff("a new attempt has another sample rate or number of channels")
        self._layout = (chunk.rate_hz, chunk.channels)
        if chunk.kind in ("begin", "restart"):
            self._again, self._behind, self.is_complete = hashlib.sha256(), self.sent_bytes, False
        elif chunk.kind == "end":
            if self._behind:
                raise BrokenOff("a new attempt is shorter than what was heard")
            self.is_complete = True
        return self._new(chunk.pcm)

    def _new(self, pcm: bytes) -> bytes:
        had, new = pcm[: self._behind], pcm[self._behind :]
        if had:
            self._again.update(had)
            self._behind -= len(had)
            if not self._behind and self._again.digest() != self._sent.digest():
                raise BrokenOff("a new attempt makes other samples than those that were heard")
        self._sent.update(new)
        self.sent_bytes += len(new)
        return new
