"""Walk the pages of an Ogg file, and part its links where several were joined.

Each page has a length and a checksum. What is given to the decoder is whole pages alone; one with a wrong checksum
costs only itself. Source: RFC 3533; RFC 7845 (Opus), the Vorbis I specification and xiph.org/flac/ogg_mapping.html.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from api.uploads.structure.byte_windows import Data, Range, Recording, Window
from api.uploads.structure.magic_bytes import next_beginning
from api.uploads.structure.refusals import Steps, cut_off, damaged
from api.uploads.structure.tags import skip_tags

CAPTURE_PATTERN, HEAD_BYTES = b"OggS", 27
FIRST, LAST = 2, 4
NO_END_OF_STREAM = "it has no end mark, so its end may be missing: it was heard to its last whole page"
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
# the codecs whose pages count as sound: an end-of-stream flag of a picture's or a skeleton's pages says nothing
AUDIO_CODECS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")


class Page(NamedTuple):
    flags: int
    serial: int
    number: int
    length: int
    is_header: bool


class _Link:
    """Collect the pages from one set of first pages to the next."""

    def __init__(self) -> None:
        self.ranges: list[Range] = []
        self.audio_serials: set[int] = set()
        self.ended: set[int] = set()
        self.numbers: dict[int, int] = {}
        self.pages = self.missing = self.lost = 0
        self.opened = True  # while only first pages have come

    def add(self, at: int, page: Page, data: Data) -> None:
        if self.ranges and self.ranges[-1][1] == at:
            self.ranges[-1] = (self.ranges[-1][0], at + page.length)
        else:
            self.ranges.append((at, at + page.length))
        if page.flags & FIRST and data[at + 28 : at + 36].startswith(AUDIO_CODECS):
            self.audio_serials.add(page.serial)
        if page.flags & LAST:
            self.ended.add(page.serial)
        before = self.numbers.get(page.serial)
        if before is not None and before + 1 < page.number:
            self.missing += page.number - before - 1
        self.numbers[page.serial] = page.number
        self.pages += not page.is_header
        self.opened = self.opened and bool(page.flags & FIRST)

    def as_recording(self, data: Data, *, last: bool) -> Recording:
        size = sum(end - begin for begin, end in self.ranges)
        lost = max(self.lost / size, self.missing / max(1, self.pages))
        open_end = last and bool(self.audio_serials - self.ended)
        return Recording("ogg", Window(data, self.ranges), lost, warnings=(NO_END_OF_STREAM,) if open_end else ())


def read_ogg(data: Data, start: int, end: int) -> tuple[list[Recording], int]:
    """Return the recordings of the Ogg pages that begin there, and where the last page ends.

    Raises Refusal where the file was cut off within a page.
    """
    links: list[_Link] = []
    at, finish = start, start
    steps = Steps()
    while at < end:
        steps.take()
        page = _page(data, at, end)
        if page is None:
            after = _resume(data, at, end)
            if after < 0:
                break
            if links:
                links[-1].lost += after - at
            at = after
            continue
        if not links or (page.flags & FIRST and not links[-1].opened):
            links.append(_Link())
        links[-1].add(at, page, data)
        at = finish = at + page.length
    if not links:
        raise damaged("no whole page in it")
    return [link.as_recording(data, last=link is links[-1]) for link in links], finish


def _page(data: Data, at: int, end: int) -> Page | None:
    """Return the page that stands there; None where it is none, or its checksum is wrong."""
    head = data[at : at + HEAD_BYTES]
    if head[:4] != CAPTURE_PATTERN[: len(head)]:
        return None
    segments = data[at + HEAD_BYTES : at + HEAD_BYTES + head[26]] if len(head) == HEAD_BYTES else b""
    length = HEAD_BYTES + len(segments) + sum(segments)
    if len(head) < HEAD_BYTES or len(segments) < head[26] or at + length > end:
        if data.find(CAPTURE_PATTERN, at + 4, end) < 0:
            raise cut_off(f"{end - at} of {max(length, HEAD_BYTES)} bytes of the last page")
        return None
    body = data[at : at + length]
    if checksum(body[:22] + bytes(4) + body[26:]) != int.from_bytes(head[22:26], "little"):
        return None
    number = int.from_bytes(head[18:22], "little")
    return Page(head[5], int.from_bytes(head[14:18], "little"), number, length, not any(head[6:14]))


def checksum(page: bytes) -> int:
    """Return Ogg's CRC-32: zlib's polynomial, but not reflected, and from zero."""
    reflected = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(reflected.to_bytes(4, "little").translate(_REVERSED), "big")


def _resume(data: Data, at: int, end: int) -> int:
    """Return where the next page stands; -1 where only something else follows."""
    found = data.find(CAPTURE_PATTERN, at + 1, end)
    if found < 0:
        return -1
    other = next_beginning(data, skip_tags(data, at, found), found)
    return -1 if other < found else found
