"""Hold converted clips in files without a name, the newest up to a size: a player asks for one range after another."""

from __future__ import annotations

import builtins
import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from io import BufferedRandom

from shared.errors import Unavailable
from shared.storage import BlobReader, BlobStat, ByteRange
from shared.storage.blob import CHUNK_BYTES, cut


@dataclass(frozen=True, eq=False)
class ConvertedClip:
    """Hold one converted clip, open until nobody refers to it any more. Equal conversions have equal bytes."""

    file: BufferedRandom
    media_type: str
    bytes: int
    sha256: str
    made_at: float

    @classmethod
    def of(cls, file: BufferedRandom, media_type: str) -> ConvertedClip:
        """Take over a file that is written to its end."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(file, media_type, size, digest, time.time())

    def open(self, range: ByteRange | None = None) -> BlobReader:
        """Open a reader of all of it, or of a range. Any number of them read at once."""
        start, length = cut(range, self.bytes)
        stat = BlobStat("converted", self.bytes, self.media_type, self.made_at, self.sha256)
        return BlobReader(stat, start, length, self._chunks(start, length), lambda: None)

    def expect(self) -> None:
        """Do nothing: what was converted is all there."""

    def _chunks(self, at: int, left: int) -> Iterator[builtins.bytes]:
        while left and (chunk := os.pread(self.file.fileno(), min(left, CHUNK_BYTES), at)):
            yield chunk
            at, left = at + len(chunk), left - len(chunk)


class ConvertedClips:
    """Keep the newest conversions up to so many bytes, by what they were made of; each is made once at a time."""

    def __init__(self, most_bytes: int, patience_s: float) -> None:
        """Wire it. Nobody waits longer than `patience_s` for a conversion that another request has begun."""
        self._most_bytes, self._patience_s = most_bytes, patience_s
        self._clips: OrderedDict[Hashable, ConvertedClip] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], ConvertedClip]) -> ConvertedClip:
        """Return the conversion of that key, made where there is none.

        Raises what `make` raises, and Unavailable when one that another request has begun takes too long.
        """
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        if not making.acquire(timeout=self._patience_s):  # whoever asks for the same meanwhile finds it made
            raise Unavailable(
                "this very conversion has been under way for long; try again later, or take the kept format"
            )
        try:
            clip = self._find(key)
            if clip is None:
                clip = make()
                self._keep(key, clip)
            return clip
        finally:
            making.release()
            with self._lock:
                if not making.locked():
                    self._making.pop(key, None)

    def _find(self, key: Hashable) -> ConvertedClip | None:
        with self._lock:
            if key in self._clips:
                self._clips.move_to_end(key)
            return self._clips.get(key)

    def _keep(self, key: Hashable, clip: ConvertedClip) -> None:
        with self._lock:
            self._clips[key] = clip
            while sum(each.bytes for each in self._clips.values()) > self._most_bytes:
                self._clips.popitem(last=False)
