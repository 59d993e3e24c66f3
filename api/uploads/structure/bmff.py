"""Walk the boxes of m4a, mp4, 3gp and QuickTime files, whole or in fragments. Source: ISO/IEC 14496-12.

Durations in the header are not looked at: edit lists make them differ from what is heard, which the answer says. That
all is there shows in the boxes, and in the table that says where the sound's samples lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from api.uploads.structure.byte_windows import Data, Recording, Window
from api.uploads.structure.refusals import MOST_UNITS, Steps, cut_off, unreadable

MEDIA_DATA, INDEX, FRAGMENT, START = b"mdat", b"moov", b"moof", b"ftyp"
NEEDED = (MEDIA_DATA, INDEX, FRAGMENT, START)
TO_THE_END, LONG = 0, 1
PARENTS = (b"trak", b"mdia", b"minf", b"stbl")


class Box(NamedTuple):
    kind: bytes
    start: int
    begin: int
    end: int  # as it says, which may be more than there is


def boxes(data: Data, at: int, end: int) -> Iterator[Box]:
    """Yield the boxes in a row; the last one may promise more than there is."""
    steps = Steps()
    while at + 8 <= end:
        steps.take()
        size, kind, begin = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if size == LONG:
            size, begin = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        after = end if size == TO_THE_END else at + size
        if after < begin or not all(0x20 <= letter < 0x7F or letter == 0xA9 for letter in kind):
            return
        yield Box(kind, at, begin, after)
        at = after


def read_mov(data: Data, start: int, end: int) -> tuple[list[Recording], int]:
    """Return the recording that begins there, and where it ends. Raises Refusal for one that was cut off."""
    seen: list[bytes] = []
    finish = start
    index: Box | None = None
    for box in boxes(data, start, end):
        if box.kind == START and MEDIA_DATA in seen and (INDEX in seen or FRAGMENT in seen):
            break  # another file, joined on
        if box.end > end:
            if box.kind in NEEDED or INDEX not in seen or MEDIA_DATA not in seen:
                raise cut_off(
                    f"{end - box.start} of {box.end - box.start} bytes of its box {box.kind.decode('latin-1')}"
                )
            break
        seen.append(box.kind)
        index = index or (box if box.kind == INDEX else None)
        finish = box.end
    if index is None or MEDIA_DATA not in seen:
        raise unreadable("it has no index (moov) or no sound (mdat): the recording was never finished")
    if FRAGMENT in seen and seen[::-1].index(FRAGMENT) < (seen[::-1].index(MEDIA_DATA)):
        raise cut_off("the last fragment's sound is missing")
    tracks = list(_sounds(data, index))
    for tables in tracks:
        if start + (last := _last_byte(data, tables)) > finish:
            raise cut_off(f"{finish - start} of {last} bytes that its index names")
    claimed_s = _seconds(data, tracks[0]) if tracks else None
    return [Recording("mov", Window(data, [(start, finish)]), claimed_s=claimed_s)], finish


def _sounds(data: Data, index: Box) -> Iterator[dict[bytes, Box]]:
    """Yield the boxes of each audio track, by kind."""
    for track in boxes(data, index.begin, index.end):
        if track.kind == b"trak":
            tables = {box.kind: box for box in _below(data, track)}
            if b"hdlr" in tables and data[tables[b"hdlr"].begin + 8 : tables[b"hdlr"].begin + 12] == b"soun":
                yield tables


def _seconds(data: Data, tables: dict[bytes, Box]) -> float | None:
    """Return how long a track's samples are, before any edit list; None in fragments, whose index has none."""
    header, runs = tables.get(b"mdhd"), tables.get(b"stts")
    if header is None or runs is None:
        return None
    scale = _number(data, header.begin + (20 if data[header.begin : header.begin + 1] == b"\1" else 12))
    first, end = runs.begin + 8, min(runs.end, runs.begin + 8 + 8 * min(_number(data, runs.begin + 4), MOST_UNITS))
    ticks = sum(_number(data, at) * _number(data, at + 4) for at in range(first, end - 7, 8))
    return ticks / scale if ticks and scale else None


def _below(data: Data, parent: Box) -> Iterator[Box]:
    for box in boxes(data, parent.begin, parent.end):
        yield box
        if box.kind in PARENTS:
            yield from _below(data, box)


def _last_byte(data: Data, tables: dict[bytes, Box]) -> int:
    """Return where the last sample of a track ends, from the file's start; 0 where no table tells."""
    offsets = tables.get(b"stco") or tables.get(b"co64")
    sizes, runs = tables.get(b"stsz"), tables.get(b"stsc")
    if offsets is None or sizes is None or runs is None:
        return 0
    width = 4 if offsets.kind == b"stco" else 8
    count = min(_number(data, offsets.begin + 4), (offsets.end - offsets.begin - 8) // width)
    runs_count = _number(data, runs.begin + 4)
    if not count or not runs_count or runs.begin + 8 + 12 * runs_count > runs.end:
        return 0
    at = offsets.begin + 8 + width * (count - 1)
    last = int.from_bytes(data[at : at + width], "big")
    in_last = _number(data, runs.begin + 8 + 12 * (runs_count - 1) + 4)
    return last + _sum_of_last(data, sizes, in_last)


def _sum_of_last(data: Data, sizes: Box, wanted: int) -> int:
    each, count = _number(data, sizes.begin + 4), _number(data, sizes.begin + 8)
    if each > 1:
        return each * min(wanted, count)
    count = min(count, (sizes.end - sizes.begin - 12) // 4)
    first = max(0, count - wanted)
    table = data[sizes.begin + 12 + 4 * first : sizes.begin + 12 + 4 * count]
    return sum(int.from_bytes(table[at : at + 4], "big") for at in range(0, len(table), 4))


def _number(data: Data, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
