"""Walk the elements of webm and Matroska files, as recorders leave them: with lengths, or without.

Sources: RFC 8794 (EBML), RFC 9559 (Matroska). The duration in the header is not looked at.
"""

from __future__ import annotations

from typing import NamedTuple

from api.uploads.structure.byte_windows import Data, Range, Recording, Window
from api.uploads.structure.magic_bytes import next_beginning
from api.uploads.structure.refusals import Steps, cut_off, damaged
from api.uploads.structure.tags import skip_tags

FILE, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
CLUSTER_BYTES = CLUSTER.to_bytes(4, "big")
VOID, CHECKSUM = 0xEC, 0xBF
TOP_LEVEL = frozenset(  # of a segment: an element of these ends a cluster without a length
    (CLUSTER, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367, VOID, CHECKSUM)
)
IN_A_CLUSTER = frozenset((0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0xAF, 0x5854, VOID, CHECKSUM))
MOST_ID_BYTES, MOST_LENGTH_BYTES = 4, 8
MOST_HEAD_BYTES = MOST_ID_BYTES + MOST_LENGTH_BYTES


class Element(NamedTuple):
    """Hold one element. `end` is as its length says; None where that is unknown."""

    name: int
    length_at: int
    begin: int
    end: int | None


def element(data: Data, at: int) -> Element | None:
    """Return the element whose head stands there; None where none can."""
    head = data[at : at + MOST_HEAD_BYTES]
    name_bytes = 9 - head[0].bit_length() if head and head[0] else MOST_ID_BYTES + 1
    if name_bytes > MOST_ID_BYTES or len(head) <= name_bytes or not head[name_bytes]:
        return None
    length_bytes = 9 - head[name_bytes].bit_length()
    coded = head[name_bytes : name_bytes + length_bytes]
    if len(coded) < length_bytes:
        return None
    length, begin = int.from_bytes(coded, "big") & (1 << 7 * length_bytes) - 1, at + name_bytes + length_bytes
    unknown = length == (1 << 7 * length_bytes) - 1
    return Element(
        int.from_bytes(head[:name_bytes], "big"), at + name_bytes, begin, None if unknown else begin + length
    )


def read_matroska(data: Data, start: int, end: int) -> tuple[list[Recording], int]:
    """Return the recording that begins there, and where it ends. Raises Refusal for one that was cut off."""
    head = element(data, start)
    if head is None or head.end is None or head.end > end:
        raise cut_off("it ends within its header")
    segment = element(data, head.end)
    while segment is not None and segment.name == VOID and segment.end is not None:
        segment = element(data, segment.end)
    if segment is None or segment.name != SEGMENT:
        raise damaged("no segment in it") if end - head.end > 12 else cut_off("it ends within its header")
    if segment.end is not None and segment.end > end:
        raise cut_off(f"{end - segment.begin} of {segment.end - segment.begin} bytes of its segment")
    walk = _Walk(data, end)
    finish = walk.segment(segment.begin, segment.end)
    if not walk.clusters:
        raise damaged("no sound in it")
    unknown = (1 << 7 * (segment.begin - segment.length_at) + 1) - 1  # the mark of the length's own length, and ones
    length = unknown.to_bytes(segment.begin - segment.length_at, "big")
    ranges: list[Range | bytes] = [(start, segment.length_at), length, (segment.begin, finish)]
    return [Recording("matroska", Window(data, ranges), walk.lost / max(1, finish - segment.begin - walk.lost))], finish


class _Walk:
    """Walk one segment, element by element. `lost` counts the bytes in its clusters that are no elements."""

    def __init__(self, data: Data, end: int) -> None:
        self._data, self._end = data, end
        self.clusters = self.lost = 0
        self._steps = Steps()

    def segment(self, at: int, promised: int | None) -> int:
        """Return where the last of its elements ends, which may be behind its own end."""
        least = at if promised is None else promised
        while at < self._end:
            self._steps.take()
            each = element(self._data, at)
            if each is None or (at >= least and each.name not in TOP_LEVEL):  # before its end, also later versions'
                resumed = self._data.find(CLUSTER_BYTES, at + 1, self._end)
                end = next_beginning(self._data, at, self._end if resumed < 0 else resumed)
                if end != resumed:  # nothing more, or another file, joined on
                    self.lost += end - skip_tags(self._data, at, end) if promised is None and self.clusters else 0
                    return at
                self.lost += resumed - at
                at = resumed
                continue
            if each.end is not None and each.end > self._end:
                raise cut_off(f"{self._end - each.begin} of {each.end - each.begin} bytes of an element")
            if each.name == CLUSTER:
                self.clusters += 1
                at = self._cluster(each)
            else:
                at = each.end or each.begin
        return at

    def _cluster(self, cluster: Element) -> int:
        """Return where it ends: without a length, at the first element that is not of its kinds."""
        at, end = cluster.begin, cluster.end or self._end
        while at < end:
            self._steps.take()
            each = element(self._data, at)
            if each is None or each.name not in IN_A_CLUSTER or each.end is None or each.end > end:
                break
            at = each.end
        if cluster.end is None:
            if at < end and (block := element(self._data, at)) and block.name in IN_A_CLUSTER:
                raise cut_off(f"{end - block.begin} bytes of a block that has more")
            return at
        self.lost += end - at
        return end
