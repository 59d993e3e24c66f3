"""Find the sound of WAV, RF64, W64 and AIFF files, and write a header for it that is right.

A decoder believes the lengths in a header, so it is given one of our own in front of the sound itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from api.uploads.structure import channel_layout, mpeg_frames, riff_chunks
from api.uploads.structure.byte_windows import Data, Range, Recording, Window
from api.uploads.structure.magic_bytes import beginning_at
from api.uploads.structure.refusals import Steps, damaged, not_accepted
from api.uploads.structure.riff_chunks import Chunk, Grammar

EXTENSIBLE, MPEG_LAYER_3, MPEG = 0xFFFE, 0x55, 0x50
AAC = (0xFF, 0x1610, 0x706D, 0xA106)  # a WAV cannot tell where its frames begin
FORMAT_BYTES, EXTENSIBLE_BYTES = 16, 40
LEAST_MORE_S = 0.1  # less than so much after a data chunk that is whole is no sound
RF64_DATA = 0xFFFFFFFF


def read_wav(data: Data, start: int) -> tuple[list[Recording], int]:
    """Return the recording of a WAV, RF64 or W64 file that begins there, and where that ends."""
    grammar = riff_chunks.W64 if data[start : start + 4] == b"riff" else riff_chunks.RIFF
    first = start + (40 if grammar is riff_chunks.W64 else 12)
    form, long_data, spans, warnings, end = b"", 0, list[Range](), list[str](), first
    for chunk in _file_chunks(data, first, start, grammar):
        name = chunk.name[:4]
        if name == b"fmt ":
            form = form or data[chunk.begin : chunk.begin + min(chunk.promised, 1024)]
        elif name == b"ds64":
            long_data = int.from_bytes(data[chunk.begin + 8 : chunk.begin + 16], "little")
        elif name == b"data":
            if len(form) < FORMAT_BYTES:
                raise damaged("no format before the sound")
            if chunk.promised == RF64_DATA and long_data:
                chunk = chunk._replace(promised=long_data)
            span, warning = riff_chunks.audio_span(data, chunk, start, grammar, _more_bytes(form))
            spans.append(span)
            warnings += [warning] if warning else []
            if warning or span[1] != chunk.begin + chunk.promised:
                return _wav_recordings(data, form, spans, warnings), span[1]
            end = span[1]
        else:
            end = max(end, min(len(data), chunk.begin + chunk.promised))
    if not spans:
        raise damaged("no sound in it")
    return _wav_recordings(data, form, spans, warnings), end


def read_aiff(data: Data, start: int) -> tuple[list[Recording], int]:
    """Return the recording of an AIFF or AIFC file that begins there, and where that ends."""
    kind, common, span, warning = data[start + 8 : start + 12], b"", None, ""
    end = start + 12
    for chunk in _file_chunks(data, end, start, riff_chunks.AIFF):
        if chunk.name == b"COMM":
            common = data[chunk.begin : chunk.begin + min(chunk.promised, 1024)]
        elif chunk.name == b"SSND" and span is None:
            least = _aiff_frame_bytes(common) * 4_000 // 10
            span, warning = riff_chunks.audio_span(data, chunk, start, riff_chunks.AIFF, least)
            if warning or span[1] != chunk.begin + chunk.promised:
                end = span[1]
                break
        end = max(end, min(len(data), chunk.begin + chunk.promised))
    if span is None or len(common) < 18:
        raise damaged("no sound in it")
    begin, stop = min(span[0] + 8 + int.from_bytes(data[span[0] : span[0] + 4], "big"), span[1]), span[1]
    if (frame_bytes := _aiff_frame_bytes(common)) and (kind == b"AIFF" or common[18:22] in b"NONEtwossowtfl32fl64"):
        common = common[:2] + struct.pack(">I", (stop - begin) // frame_bytes) + common[6:]
    body = kind + b"COMM" + struct.pack(">I", len(common)) + common + b"\0" * (len(common) % 2)
    body += b"SSND" + struct.pack(">III", stop - begin + 8, 0, 0)
    head = b"FORM" + struct.pack(">I", len(body) + stop - begin) + body
    window = Window(data, [head, (begin, stop)])
    return [Recording("aiff", window, warnings=(warning,) if warning else ())], end


def _file_chunks(data: Data, at: int, start: int, grammar: Grammar) -> Iterator[Chunk]:
    """Yield a file's chunks, up to where another file was joined on, or something that is no chunk."""
    steps = Steps()
    while (chunk := riff_chunks.read_chunk(data, at, grammar)) is not None and not beginning_at(data, at):
        steps.take()
        yield chunk
        at = riff_chunks.next_chunk(data, chunk, start, grammar)


def _more_bytes(form: bytes) -> int:
    return round(int.from_bytes(form[8:12], "little") * LEAST_MORE_S)


def _wav_recordings(data: Data, form: bytes, spans: list[Range], warnings: list[str]) -> list[Recording]:
    tag, channels = struct.unpack_from("<HH", form)
    if tag in (MPEG_LAYER_3, MPEG):
        return [recording for begin, end in spans for recording in mpeg_frames.read_frames(data, begin, end, "mp3")[0]]
    if tag in AAC:
        raise not_accepted("AAC in WAV")
    if len(form) < EXTENSIBLE_BYTES and tag == EXTENSIBLE:
        raise not_accepted("a WAV that does not say how its samples are written")
    mask = int.from_bytes(form[20:24], "little") if tag == EXTENSIBLE else 0
    size = sum(end - begin for begin, end in spans)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"\0" * (len(form) % 2) + b"data"
    head = b"RIFF" + struct.pack("<I", len(body) + 4 + size) + body + struct.pack("<I", size)
    layout = channel_layout.of_mask(mask, channels)
    return [Recording("wav", Window(data, [head, *spans]), speakers=layout, warnings=tuple(warnings))]


def _aiff_frame_bytes(common: bytes) -> int:
    channels, bits = int.from_bytes(common[:2], "big"), int.from_bytes(common[6:8], "big")
    return channels * ((bits + 7) // 8)
