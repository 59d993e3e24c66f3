"""Recognise where a whole file of some format begins: at an upload's start, or where another was joined on to it."""

from __future__ import annotations

import re

from api.uploads.structure.byte_windows import Data

CHUNKED = rb"(?:RIFF|RF64|BW64)....WAVE|riff\x2e\x91\xcf\x11"
AIFF = rb"FORM....AIF[FC]"
CAF = rb"caff\x00\x01..desc"
FLAC = rb"fLaC[\x00\x80]\x00\x00\x22"
OGG = rb"OggS\x00\x02"
EBML = rb"\x1aE\xdf\xa3(?:[\x80-\xff]|[\x40-\x7f].|\x01\x00{5}..)[\x42\xec\xbf]"
BMFF = rb"\x00\x00[\x00-\x03].ftyp[ -~]{4}"
_NAMES = ("wav", "aiff", "caf", "flac", "ogg", "matroska", "mov")
_ANY = re.compile(b"|".join(b"(%s)" % one for one in (CHUNKED, AIFF, CAF, FLAC, OGG, EBML, BMFF)), re.DOTALL)
WINDOW_BYTES, LONGEST_BYTES = 1 << 18, 64  # what is near is found without a look at the rest; and no mark is cut
_SIGNATURES = (  # that each of them has, and how far from its start: to search for these is ten times as fast
    *((signature, 0) for signature in (b"RIFF", b"RF64", b"BW64", b"riff\x2e\x91\xcf\x11", b"FORM", b"caff\x00\x01")),
    *((b"fLaC", 0), (b"OggS\x00\x02", 0), (b"\x1aE\xdf\xa3", 0), (b"ftyp", 4)),
)

OTHERS = (  # what people send that is not accepted, at the start of the file
    (re.compile(rb"#!AMR"), "AMR"),
    (re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), "WMA (ASF)"),
    (re.compile(rb"MThd"), "MIDI"),
    (re.compile(rb"\.snd\x00"), "AU"),
    (re.compile(rb"RIFF....AVI ", re.DOTALL), "AVI"),
    (re.compile(rb"RIFX"), "RIFX"),
    (re.compile(rb"wvpk"), "WavPack"),
    (re.compile(rb"MAC "), "Monkey's Audio"),
    (re.compile(rb"TTA[12]"), "True Audio"),
    (re.compile(rb"MP\+|MPCK"), "Musepack"),
    (re.compile(rb"DSD |FRM8"), "DSD"),
    (re.compile(rb"\x0b\x77"), "AC-3"),
    (re.compile(rb"\x7f\xfe\x80\x01"), "DTS"),
    (re.compile(rb"FLV\x01"), "FLV"),
    (re.compile(rb"\x00\x00\x01\xba"), "MPEG program stream"),
    (re.compile(rb"G.{187}G.{187}G", re.DOTALL), "MPEG transport stream"),
    (re.compile(rb"\x56[\xe0-\xff]"), "AAC in LATM"),
    (re.compile(rb"FORM....8SVX", re.DOTALL), "8SVX"),
    (re.compile(rb"Creative Voice File"), "VOC"),
    (re.compile(rb"....\xf8\x72\x6f[\xba\xbb]", re.DOTALL), "TrueHD or MLP"),
    (re.compile(rb"\.RMF"), "RealMedia"),
    (re.compile(rb"PK\x03\x04"), "zip"),  # recordings may lie whole in archives and documents
    (re.compile(rb".{257}ustar", re.DOTALL), "tar"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "7z"),
    (re.compile(rb"Rar!\x1a\x07"), "RAR"),
    (re.compile(rb"\x1f\x8b\x08"), "gzip"),
    (re.compile(rb"%PDF-"), "PDF"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG"),
    (re.compile(rb"\xff\xd8\xff[\xc0-\xfe]"), "JPEG"),
    (re.compile(rb"GIF8[79]a"), "GIF"),
    (re.compile(rb"\s*<(?:!doctype|html|\?xml|svg)\b", re.IGNORECASE), "a web page"),
)


def beginning_at(data: Data, at: int) -> str | None:
    """Return the name of the format whose file begins exactly there."""
    found = _ANY.match(data, at)
    return _NAMES[(found.lastindex or 1) - 1] if found else None


def next_beginning(data: Data, start: int, end: int) -> int:
    """Return where the next file of any of these formats begins, or `end`."""
    for at in range(start, end, WINDOW_BYTES):
        until = min(end, at + WINDOW_BYTES + LONGEST_BYTES)
        found = min(_next_of(signature, before, data, at, until) for signature, before in _SIGNATURES)
        if found < until:
            return found
    return end


def _next_of(signature: bytes, before: int, data: Data, start: int, end: int) -> int:
    at = data.find(signature, start + before, end)
    while at >= 0 and beginning_at(data, at - before) is None:
        at = data.find(signature, at + 1, end)
    return end if at < 0 else at - before


def other_format(data: Data, at: int) -> str | None:
    """Return the name of a format that is not accepted."""
    return next((name for pattern, name in OTHERS if pattern.match(data, at)), None)
