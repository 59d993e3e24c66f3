"""Playback: what one listener has had of a streamed job, and which samples it is to get next.

A new attempt begins from the first sample again. The same seed and the same engine make the same samples, but a batch
of another size, another device or another version may not: so what the listener has had is compared with what the new
attempt makes, by its digest, and only if the two are equal it hears the rest. Knows no format and no connection.
"""

from __future__ import annotations

import hashlib

from shared.jobs.audio_chunks import Chunk


class BrokenOff(Exception):
    """This listener cannot be given the rest of what it has begun to hear; the message says why."""


class ResumePoint:
    """`take` every chunk in order; what it gives, joined, is one attempt's sound from its first sample on."""

    def __init__(self) -> None:
        self.whole = False  # the attempt's last chunk was taken
        self.heard_bytes = 0
        self._heard = hashlib.sha256()
        self._again = hashlib.sha256()
        self._behind = 0  # bytes of the new attempt that were heard of the one before
        self._sound: tuple[int, int] | None = None  # rate, channels

    def take(self, chunk: Chunk) -> bytes:
        """The samples that are new to this listener. Raises BrokenOff."""
        if self._sound not in (None, (chunk.rate_hz, chunk.channels)):
            raise BrokenOff("a new attempt has another sample rate or number of channels")
        self._sound = (chunk.rate_hz, chunk.channels)
        if chunk.kind in ("begin", "restart"):
            self._again, self._behind, self.whole = hashlib.sha256(), self.heard_bytes, False
        elif chunk.kind == "end":
            if self._behind:
                raise BrokenOff("a new attempt is shorter than what was heard")
            self.whole = True
        return self._new(chunk.pcm)

    def _new(self, pcm: bytes) -> bytes:
        had, new = pcm[: self._behind], pcm[self._behind :]
        if had:
            self._again.update(had)
            self._behind -= len(had)
            if not self._behind and self._again.digest() != self._heard.digest():
                raise BrokenOff("a new attempt makes other samples than those that were heard")
        self._heard.update(new)
        self.heard_bytes += len(new)
        return new
