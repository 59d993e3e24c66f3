"""Part FLAC files that were joined, and read what their headers claim. Source: RFC 9639."""

from __future__ import annotations

from api.uploads.frames import next_frames
from api.uploads.magic import next_beginning
from api.uploads.parts import Data, Part, Window
from api.uploads.refusals import cut_off, damaged

MARK_BYTES, INFO_BYTES, LAST_BLOCK = 4, 34, 0x80


def read_flac(data: Data, start: int, end: int) -> tuple[list[Part], int]:
    """Return the recording that begins there, and where the next one was joined on, or the end.

    Its frames have no length: the decoder finds their ends, and whether the last one is whole. The number of samples
    in the header is replaced by "unknown", so that nothing stops at it.
    """
    info = start + MARK_BYTES + 4
    if end - info < INFO_BYTES:
        raise cut_off("it ends within its header")
    rate_hz = int.from_bytes(data[info + 10 : info + 13], "big") >> 4
    packed = int.from_bytes(data[info + 13 : info + 18], "big")
    first = _first_frame(data, start + MARK_BYTES, end)
    finish = next_frames(data, first, next_beginning(data, first, end))
    counted = data[info + 13 : info + 14][0] & 0xF0
    unknown = bytes([counted]) + bytes(4)
    window = Window(data, [(start, info + 13), unknown, (info + 18, finish)])
    samples = packed & 0xFFFFFFFFF
    claimed_s = samples / rate_hz if samples and rate_hz else None
    return [Part("flac", window, claimed_s=claimed_s)], finish


def _first_frame(data: Data, at: int, end: int) -> int:
    """Return where the frames begin, behind the blocks of metadata."""
    last = False
    while not last:
        head = data[at : at + 4]
        if len(head) < 4 or head[0] == 0xFF:
            raise cut_off("it ends within its header") if len(head) < 4 else damaged("a block that is none")
        last, at = bool(head[0] & LAST_BLOCK), at + 4 + int.from_bytes(head[1:], "big")
        if at > end:
            raise cut_off(f"{end} of {at} bytes of its header")
    return at
