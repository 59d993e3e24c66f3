"""Part FLAC files that were joined, and read what their headers claim. Source: RFC 9639."""

from __future__ import annotations

from api.uploads.structure.byte_windows import Data, Recording, Window
from api.uploads.structure.magic_bytes import next_beginning
from api.uploads.structure.mpeg_frames import next_frames
from api.uploads.structure.refusals import cut_off, damaged

SIGNATURE_BYTES, INFO_BYTES, LAST_BLOCK = 4, 34, 0x80
FIXED_BLOCKS, VARIED_BLOCKS = 0xF8, 0xF9  # the second byte of a frame, behind 0xFF
MOST_BLOCK = 65_536  # samples of a frame
HEAD_BYTES, MOST_NUMBER_BYTES = 16, 7
SEARCHED_BYTES = 1 << 22  # from the end; a frame of eight channels can have two megabytes


def read_flac(data: Data, start: int, end: int) -> tuple[list[Recording], int]:
    """Return the recording that begins there, and where the next one was joined on, or the end.

    Its frames have no length: the decoder finds their ends, and whether the last one is whole. The number of samples
    in the header is replaced by "unknown", so that nothing stops at it.
    """
    info = start + SIGNATURE_BYTES + 4
    if end - info < INFO_BYTES:
        raise cut_off("it ends within its header")
    rate_hz = int.from_bytes(data[info + 10 : info + 13], "big") >> 4
    packed = int.from_bytes(data[info + 13 : info + 18], "big")
    first = _first_frame(data, start + SIGNATURE_BYTES, end)
    finish = next_frames(data, first, next_beginning(data, first, end))
    counted = data[info + 13 : info + 14][0] & 0xF0
    unknown = bytes([counted]) + bytes(4)
    window = Window(data, [(start, info + 13), unknown, (info + 18, finish)])
    samples = packed & 0xFFFFFFFFF
    claimed_s = samples / rate_hz if samples and rate_hz else None
    ends_there = rate_hz and abs(_last_sample(data, info, first, finish) - samples) <= MOST_BLOCK
    return [Recording("flac", window, seconds=claimed_s if ends_there else None, claimed_s=claimed_s)], finish


def _last_sample(data: Data, info: int, first: int, end: int) -> int:
    """Return the number of the sample that the last frame begins with, 0 where none is found.

    A header is told from other bytes by its checksum; it is searched for in what frames can be long.
    """
    least_block, at = int.from_bytes(data[info : info + 2], "big"), end
    lowest = max(first, end - SEARCHED_BYTES)
    while (at := data.rfind(b"\xff", lowest, at)) >= 0:
        head = data[at : at + HEAD_BYTES]
        if len(head) > 4 and head[1] in (FIXED_BLOCKS, VARIED_BLOCKS) and (number := _number(head)) is not None:
            return number * least_block if head[1] == FIXED_BLOCKS else number
    return 0


def _number(head: bytes) -> int | None:
    """Return the coded number in a frame's header, None where its checksum shows that it is none (RFC 9639, 9.1)."""
    size = max(1, 8 - (head[4] ^ 0xFF).bit_length())  # as in UTF-8, up to seven bytes
    more = {6: 1, 7: 2}.get(head[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if (
        size > MOST_NUMBER_BYTES
        or len(head) <= 4 + size + more
        or _crc8(head[: 4 + size + more]) != head[4 + size + more]
    ):
        return None
    number = head[4] if size == 1 else head[4] & (0x7F >> size)
    for byte in head[5 : 4 + size]:
        number = number << 6 | byte & 0x3F
    return number


def _crc8(data: bytes) -> int:
    """Return the checksum of a frame's header: the polynomial x^8 + x^2 + x + 1, from 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
    return crc


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
