"""Set an Ogg stream's serial number, which libsndfile draws from the clock.

It has to differ between streams that may be chained into one file, and may depend on nothing but the audio: the caller
gives a checksum of the samples.
"""

from __future__ import annotations

import struct
import zlib

_BIT_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_HEADER_BYTES = 27


def with_serial(ogg: bytes, serial: int) -> bytes:
    """Return the same stream with this serial number, and so each page's checksum written anew."""
    out = bytearray(ogg)
    start = 0
    while start < len(out):
        lacing = start + _HEADER_BYTES
        body = lacing + out[start + 26]
        end = body + sum(out[lacing:body])
        struct.pack_into("<I", out, start + 14, serial)
        struct.pack_into("<I", out, start + 22, 0)  # a page is checked with its own checksum as zero
        struct.pack_into("<I", out, start + 22, _checksum(bytes(out[start:end])))
        start = end
    return bytes(out)


def _checksum(page: bytes) -> int:
    # zlib's polynomial with the bits the other way round, starting at 0 and not inverted
    crc = zlib.crc32(page.translate(_BIT_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)
