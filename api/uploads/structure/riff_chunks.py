"""Walk the chunks of RIFF, RF64, W64, AIFF and CAF, and find where the sound's chunk truly ends.

A chunk is a name and a length. A recorder that dies, or writes into a pipe, leaves a length that is nothing, or says
"unknown", or is too short; only one that promises more than there is shows that the file was cut off.
Sources: Microsoft's RIFF and RF64 (EBU Tech 3306), Sony's Wave64, Apple's AIFF-C and Core Audio Format 1.0.
"""

from __future__ import annotations

from typing import NamedTuple

from api.uploads.structure.byte_windows import Data, Range
from api.uploads.structure.magic_bytes import beginning_at, next_beginning
from api.uploads.structure.mpeg_frames import begins
from api.uploads.structure.refusals import Steps, cut_off
from api.uploads.structure.tags import skip_tags

W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # of every chunk's name but "riff"
UNKNOWN_LENGTH = 0x7FFF0000  # of 32 bits, and up: a program that writes into a pipe cannot know the length
LATER_CHUNKS = frozenset({  # of what may follow the sound
    b"LIST", b"INFO", b"id3 ", b"ID3 ", b"bext", b"iXML", b"aXML", b"cue ", b"smpl", b"inst", b"fact", b"JUNK", b"junk",
    b"PAD ", b"PEAK", b"acid", b"_PMX", b"chna", b"plst", b"umid", b"MARK", b"INST", b"COMT", b"NAME", b"AUTH", b"(c) ",
    b"ANNO", b"data", b"fmt ", b"APPL", b"MIDI", b"AESD", b"pakt", b"info", b"free", b"strg", b"mark", b"uuid",
})  # fmt: skip
KNOWN_CHUNKS = LATER_CHUNKS | {b"ds64", b"COMM", b"SSND", b"FVER", b"desc", b"chan", b"kuki"}


class Grammar(NamedTuple):
    """Describe how a format writes its chunks. `counts_head`: the length counts the head too."""

    name_bytes: int
    length_bytes: int
    order: str
    align: int
    counts_head: bool = False

    @property
    def head_bytes(self) -> int:
        return self.name_bytes + self.length_bytes


RIFF = Grammar(4, 4, "little", 2)
W64 = Grammar(16, 8, "little", 8, counts_head=True)
AIFF = Grammar(4, 4, "big", 2)
CAF = Grammar(4, 8, "big", 1)


class Chunk(NamedTuple):
    """Hold one chunk. `promised` is its length as written, without its head."""

    name: bytes
    begin: int
    promised: int


def read_chunk(data: Data, at: int, grammar: Grammar) -> Chunk | None:
    """Return the chunk whose head stands there; None where that cannot be one.

    Of a name that is not known, one that promises more than there is, is none.
    """
    head = data[at : at + grammar.head_bytes]
    name, length = head[: grammar.name_bytes], head[grammar.name_bytes :]
    if len(length) < grammar.length_bytes or not all(0x20 <= letter < 0x7F for letter in name[:4]):
        return None
    if grammar is W64 and name[4:] != W64_TAIL:
        return None
    promised = int.from_bytes(length, "big" if grammar.order == "big" else "little")
    chunk = Chunk(name, at + grammar.head_bytes, max(0, promised - (grammar.head_bytes if grammar.counts_head else 0)))
    return chunk if _is_known(chunk) or chunk.begin + chunk.promised <= len(data) else None


def next_chunk(data: Data, chunk: Chunk, start: int, grammar: Grammar) -> int:
    """Return where the chunk after it begins; `start` is the file's, from which alignment counts.

    Some writers leave out the byte that makes a length even.
    """
    end = chunk.begin + chunk.promised
    aligned = end + (start - end) % grammar.align
    unaligned = read_chunk(data, end, grammar) if aligned == end + 1 else None
    if unaligned is None:
        return aligned
    there = read_chunk(data, aligned, grammar)
    return end if there is None or (_is_known(unaligned) and not _is_known(there)) else aligned


def _is_known(chunk: Chunk) -> bool:
    return chunk.name[:4] in KNOWN_CHUNKS


def audio_span(data: Data, chunk: Chunk, start: int, grammar: Grammar, least: int) -> tuple[Range, str]:
    """Return where the sound in a data chunk lies, and a warning when its length was wrong.

    `least` is how many bytes after the chunk must be neither chunks nor tags to be taken for more sound. Raises
    Refusal where the chunk promises more than there is.
    """
    begin, size = chunk.begin, len(data)
    left = size - begin
    if chunk.promised > left:
        if chunk.promised < UNKNOWN_LENGTH << 8 * (grammar.length_bytes - 4):
            raise cut_off(f"{left} of {chunk.promised} bytes of its sound")
        return (begin, next_beginning(data, begin, size)), ""
    end = begin + chunk.promised
    if _is_the_end(data, end, start, grammar):
        return (begin, end), ""
    limit = next_beginning(data, end, size)
    if chunk.promised and limit - end < least:
        return (begin, end), ""
    written = f"says {chunk.promised}" if chunk.promised else "was never written"
    return (begin, limit), f"its header is wrong: the sound has {limit - begin} bytes, the length there {written}"


def _is_the_end(data: Data, end: int, start: int, grammar: Grammar) -> bool:
    """Tell whether nothing, a chain of chunks, tags, zeros or another file follows."""
    for at in sorted({end, end + (start - end) % grammar.align}):
        after = skip_tags(data, at, len(data))
        if after >= len(data) or beginning_at(data, after) or begins(data, after, len(data)):
            return True
        if _is_chain(data, at, grammar):
            return True
    return False


def _is_chain(data: Data, at: int, grammar: Grammar) -> bool:
    """Tell whether a chunk follows of a kind that comes after sound, or chunks of any kind up to the end."""
    begin, steps = at, Steps()
    while (chunk := read_chunk(data, at, grammar)) is not None:
        steps.take()
        if chunk.name[:4] in LATER_CHUNKS:
            return True
        end = chunk.begin + chunk.promised
        padded = end + (begin - end) % grammar.align
        if skip_tags(data, end, len(data)) >= len(data) or beginning_at(data, padded):
            return True
        at = end if read_chunk(data, end, grammar) else padded
    return False
