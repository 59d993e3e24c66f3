"""Give a decoder only the bytes of one recording in an upload, with a repaired header where its own is wrong."""

from __future__ import annotations

import io
import mmap
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

Data = bytes | mmap.mmap
Range = tuple[int, int]  # from, to: bytes of the upload


class Window(io.RawIOBase):
    """Present ranges of the upload, and bytes that stand instead of others, as one read-only file. Copies nothing."""

    def __init__(self, data: Data, segments: Iterable[Range | bytes]) -> None:
        super().__init__()
        self._data = data
        self._segments: list[tuple[Data, int, int]] = []
        for segment in segments:
            source, start, end = (segment, 0, len(segment)) if isinstance(segment, bytes) else (data, *segment)
            if end > start:
                self._segments.append((source, start, end))
        self._starts = [0, *accumulate(end - start for _, start, end in self._segments)]
        self._position = 0

    def __len__(self) -> int:
        return self._starts[-1]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self)}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        view, done = memoryview(buffer).cast("B"), 0
        while done < len(view) and self._position < len(self):
            index = bisect_right(self._starts, self._position) - 1
            source, start, end = self._segments[index]
            start += self._position - self._starts[index]
            count = min(end - start, len(view) - done)
            view[done : done + count] = source[start : start + count]
            done, self._position = done + count, self._position + count
        return done


class Recording(NamedTuple):
    """Hold one recording of an upload, which may be several, joined.

    `reader` is the name of FFmpeg's demuxer for it. `lost` is how much of it no decoder gets, as a share of what it
    does get. `seconds` is what its structure tells of its length, where that needs no header's word; `claimed_s` is
    only a header's word. `speakers` are those of its channels where its decoder would not tell them, or not rightly.
    """

    reader: str
    window: Window
    lost: float = 0.0
    seconds: float | None = None
    claimed_s: float | None = None
    speakers: Sequence[str] = ()
    warnings: tuple[str, ...] = ()
