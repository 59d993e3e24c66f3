"""Walk the frames of MPEG audio (mp3) and of AAC with ADTS headers, past tags, zeros and damage.

A frame says how long it is. What is given to the decoder is frames alone, in a row; the counts in a Xing or VBRI header
are only looked at to see whether the end is missing.
Sources: ISO/IEC 11172-3 and 13818-3 (2.4.1.3), 13818-7 (6.2), and the description of Xing, Info and VBRI headers at
codeproject.com/Articles/8295/MPEG-Audio-Frame-Header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from api.uploads.structure.byte_windows import Data, Range, Recording, Window
from api.uploads.structure.magic_bytes import beginning_at, next_beginning
from api.uploads.structure.refusals import Steps, cut_off, damaged
from api.uploads.structure.tags import skip_tags, tag_length

SYNC = re.compile(rb"\xff[\xe2-\xe7\xf0-\xff][\x00-\xef]", re.DOTALL)
SYNC_OR_TAG = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xef].|ID3[\x02-\x04]", re.DOTALL)
CHAIN = 3  # so many frames in a row are no accident
SEARCHED_BYTES = 1 << 20  # before the first of them
MISSING_S = 1.0  # that a count may promise beyond what is there
LOST_S = 1.0  # that may be damaged, of a whole recording
HEAD_BYTES = 10
PADDING_BYTES = 64  # so many zeros behind a frame are no accident
KILOBITS = {  # (MPEG 1, layer): by the header's four bits
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
AAC_SAMPLES = 1024  # in each of a frame's blocks; MPEG audio has none of so many
MPEG_RATES_HZ = (44_100, 48_000, 32_000)
AAC_RATES_HZ = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)


class Frame(NamedTuple):
    """Hold one frame. `key`: what the frames of one recording have in common; `length` is in bytes, with the header."""

    key: tuple[int, ...]
    length: int
    samples: int
    rate_hz: int


Reader = Callable[[bytes], Frame | None]


def mp3_frame(head: bytes) -> Frame | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bits, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return None
    rate_hz = MPEG_RATES_HZ[rate] >> {3: 0, 2: 1, 0: 2}[version]
    bits_a_second, padding = KILOBITS[version == 3, layer][bits] * 1000, head[2] >> 1 & 1
    if layer == 1:
        return Frame((version, layer, rate), (12 * bits_a_second // rate_hz + padding) * 4, 384, rate_hz)
    samples = 576 if layer == 3 and version != 3 else 1152
    return Frame((version, layer, rate), samples // 8 * bits_a_second // rate_hz + padding, samples, rate_hz)


def aac_frame(head: bytes) -> Frame | None:
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    rate, length = head[2] >> 2 & 15, (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if rate >= len(AAC_RATES_HZ) or length < 7:
        return None
    samples = AAC_SAMPLES * ((head[6] & 3) + 1)
    return Frame((head[1] >> 3 & 1, head[2] >> 6, rate), length, samples, AAC_RATES_HZ[rate])


def first_frame(data: Data, start: int, end: int, reader: Reader) -> int | None:
    """Return where the first of some frames in a row stands, within a megabyte of anything else."""
    for found in SYNC.finditer(data, start, min(end, start + SEARCHED_BYTES)):
        at, first = found.start(), reader(data[found.start() : found.start() + HEAD_BYTES])
        if first is not None and _frames_in_a_row(data, at, end, first.key, reader):
            return at
    return None


def next_frames(data: Data, start: int, end: int) -> int:
    """Return where frames begin in the midst of something else, or `end`: behind a tag, or four of mp3 in a row.

    FLAC's own frames can look like four of AAC.
    """
    for found in SYNC_OR_TAG.finditer(data, start, end):
        at = found.start()
        if found[0][:1] == b"I":
            if begins(data, skip_tags(data, at, end), end):
                return at
        elif (frame := mp3_frame(found[0])) and _frames_in_a_row(data, at, end, frame.key, mp3_frame, 4, strictly=True):
            return at
    return end


def begins(data: Data, at: int, end: int) -> str | None:
    """Return "mp3" or "aac" where frames of either kind begin exactly there."""
    for name, reader in READERS.items():
        frame = reader(data[at : at + HEAD_BYTES])
        if frame is not None and _frames_in_a_row(data, at, end, frame.key, reader):
            return name
    return None


class _Run:
    """Collect the frames of one recording, as they are found."""

    def __init__(self, frame: Frame, promised: int | None) -> None:
        self.key, self.rate_hz, self.samples_each = frame.key, frame.rate_hz, frame.samples
        self.head: Range | None = None  # of the header that counts the frames
        self.promised = promised
        self.ranges: list[Range] = []
        self.frames = self.lost = 0

    def add(self, at: int, length: int) -> None:
        if self.ranges and self.ranges[-1][1] == at:
            self.ranges[-1] = (self.ranges[-1][0], at + length)
        else:
            self.ranges.append((at, at + length))
        self.frames += 1

    def as_recording(self, data: Data, reader: str) -> Recording:
        """Raises Refusal when its own count, or the damage in it, shows that more than a second is missing."""
        a_second = self.rate_hz / self.samples_each
        frames, size = self.frames, sum(end - begin for begin, end in self.ranges)
        missing = (self.promised or 0) - frames
        lost = self.lost / size if size and (not self.promised or missing > 0) else 0.0
        if lost * frames > LOST_S * a_second:
            raise damaged(f"{self.lost} bytes in it are no frames")
        if missing > MISSING_S * a_second:
            raise cut_off(f"{frames / a_second:.1f} of {(self.promised or 0) / a_second:.1f} s are there")
        # a wrong count would have the decoder trim what is not the end
        ranges = [self.head, *self.ranges] if self.head and missing == 0 else self.ranges
        claimed_s = self.promised / a_second if self.promised else None
        return Recording(reader, Window(data, ranges), lost, seconds=frames / a_second, claimed_s=claimed_s)


READERS: Mapping[str, Reader] = {"mp3": mp3_frame, "aac": aac_frame}


def read_frames(data: Data, start: int, end: int, name: str) -> tuple[list[Recording], int]:
    """Return the recordings in these frames, and where something else begins, or the end.

    A new recording begins with other frames, or with a Xing, Info or VBRI header. Raises Refusal where the last frame
    is not whole, or more than a second is missing.
    """
    runs: list[_Run] = []
    reader, at, in_a_row, other = READERS[name], start, False, -1
    steps = Steps()
    while at < end:
        steps.take()
        frame = reader(data[at : at + HEAD_BYTES])
        run = runs[-1] if runs else None
        expected = in_a_row and run is not None and frame is not None and run.key == frame.key
        if frame is not None and (expected or _frames_in_a_row(data, at, end, frame.key, reader, 2)):
            _add(runs, frame, data, at, end)
            at, in_a_row = at + frame.length, True
            continue
        after = skip_tags(data, at, end)
        in_a_row = after > at
        if not in_a_row and runs and (beginning_at(data, at) or begins(data, at, end)):
            break
        if not in_a_row:
            other = other if other > at else next_beginning(data, at + 1, end)
            after = min(_next_frame(data, at + 1, end, reader), other)
            if run is not None:
                run.lost += after - at
        at = after
    return [run.as_recording(data, name) for run in runs if run.frames or run.promised], at


def _add(runs: list[_Run], frame: Frame, data: Data, at: int, end: int) -> None:
    if at + frame.length > end:
        raise cut_off(f"{end - at} of the last frame's {frame.length} bytes")
    promised = _counted(data[at : at + frame.length]) if frame.samples % AAC_SAMPLES else None
    if not runs or runs[-1].key != frame.key or promised is not None:
        runs.append(_Run(frame, promised))
    if promised is not None:
        runs[-1].head = (at, at + frame.length)
    else:
        runs[-1].add(at, frame.length)


def _frames_in_a_row(
    data: Data,
    at: int,
    end: int,
    key: tuple[int, ...],
    reader: Reader,
    wanted: int = CHAIN,
    *,
    strictly: bool = False,
) -> bool:
    """Tell whether so many frames follow each other there, or, unless `strictly`, fewer up to the end or a tag."""
    for _ in range(wanted):
        frame = reader(data[at : at + HEAD_BYTES])
        if frame is None or frame.key != key:
            no_frames = tag_length(data, at) or skip_tags(data, at, end) >= at + PADDING_BYTES
            return frame is None and not strictly and bool(no_frames)
        at += frame.length
        if at >= end:
            return at == end and not strictly
    return True


def _next_frame(data: Data, at: int, end: int, reader: Reader) -> int:
    for found in SYNC.finditer(data, at, end):
        frame = reader(data[found.start() : found.start() + HEAD_BYTES])
        if frame is not None and _frames_in_a_row(data, found.start(), end, frame.key, reader, 2):
            return found.start()
    return end


def _counted(frame: bytes) -> int | None:
    """Return how many frames a header in it says there are, 0 where it does not say; None without such a header."""
    for offset in (36, 21, 13):  # behind the side information: MPEG 1 or 2, stereo or mono
        if frame[offset : offset + 4] in (b"Xing", b"Info") and len(frame) >= offset + 12:
            return int.from_bytes(frame[offset + 8 : offset + 12], "big") if frame[offset + 7] & 1 else 0
    return int.from_bytes(frame[50:54], "big") if frame[36:40] == b"VBRI" else None
