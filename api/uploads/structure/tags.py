"""Skip what stands around the sound of any format: ID3v1, ID3v2, APEv2 and Lyrics3 tags, and zeros.

Sources: id3.org (ID3v1, ID3v2.4 structure, Lyrics3 v2), the APEv2 specification at hydrogenaud.io.
"""

from __future__ import annotations

import re

from api.uploads.structure.byte_windows import Data
from api.uploads.structure.refusals import Steps

_ZEROS = re.compile(rb"\x00*")
_LYRICS_END = re.compile(rb"LYRICS(?:200|END)")
ID3V1_BYTES, ID3V1_EXTENDED_BYTES, APE_BYTES, ID3_HEAD_BYTES, FOOTER_FLAG = 128, 227, 32, 10, 0x10


def skip_tags(data: Data, start: int, end: int) -> int:
    """Return where something else than a tag or zeros begins; `end` when a tag promises more than there is."""
    steps = Steps()
    while start < end:
        steps.take()
        skipped = tag_length(data, start)
        if not skipped:
            zeros = _ZEROS.match(data, start, end)
            skipped = zeros.end() - start if zeros else 0
        if not skipped:
            return start
        start += skipped
    return end


def tag_length(data: Data, at: int) -> int:
    """Return how many bytes the tag that begins there says it has; 0 where none begins."""
    head = data[at : at + APE_BYTES]
    if head[:3] == b"ID3" and len(head) >= ID3_HEAD_BYTES and head[3] < 0xFF and max(head[6:10]) < 0x80:
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return ID3_HEAD_BYTES + size + (ID3_HEAD_BYTES if head[5] & FOOTER_FLAG else 0)
    if head[:3] == b"TAG":
        return ID3V1_EXTENDED_BYTES if head[3:4] == b"+" else ID3V1_BYTES
    if head[:8] == b"APETAGEX" and len(head) == APE_BYTES:
        return APE_BYTES + int.from_bytes(head[12:16], "little")
    if head[:11] == b"LYRICSBEGIN" and (found := _LYRICS_END.search(data, at)):
        return found.end() - at
    return 0
