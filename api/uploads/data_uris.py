"""Read data: URIs (RFC 2397) of recordings, which JSON has where a form has files, and decode their base64 into files.

A URI's text lies in a file, never in memory as a whole. What is wrong with it is told when it is opened, so that it is
the fault of the field that has it. Nothing is ever fetched: another kind of address is refused.
"""

from __future__ import annotations

import binascii
import hashlib
import io
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import IO, cast

from api.uploads.base64_turns import TURNS
from shared.errors import InvalidMelody

SCHEME = "data:"
ADDRESS = re.compile(r"\s*https?:", re.IGNORECASE)
HEAD_BYTES = 512  # within which the data begins
BLOCK_CHARS = 256 * 1024  # a multiple of four: each block is base64 by itself
SHOWN_CHARS = 48
BASE64_FLAG = re.compile(rb";base64,", re.IGNORECASE)
MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+", re.ASCII)
# as which browsers and libraries know files that may hold sound alone: what is in them decides
CONTAINERS = frozenset(
    {"application/ogg", "video/mp4", "video/ogg", "video/quicktime", "video/webm", "video/x-matroska"}
)
NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
REMEDY = "send data:audio/wav;base64,... with the file's bytes in base64, or the file in a multipart form"


class DataUri:
    """Stand for a data: URI whose text lies in a file: `length` bytes from `start` on."""

    def __init__(self, file: IO[bytes], start: int, length: int) -> None:
        self._file = file
        self._start = start
        self.length = length

    def __repr__(self) -> str:
        """Return as much of it as a refusal may repeat."""
        shown = repr(self._head[:SHOWN_CHARS].decode("ascii", "replace"))
        return shown if self.length <= SHOWN_CHARS else f"{shown}... ({self.length} characters)"

    @cached_property
    def _head(self) -> bytes:
        self._file.seek(self._start)
        return self._file.read(min(HEAD_BYTES, self.length))

    @cached_property
    def decoded_bytes(self) -> int:
        """Return how many bytes its recording has, if the base64 is whole; 0 where there is none."""
        marked = BASE64_FLAG.search(self._head)
        if marked is None or (chars := self.length - marked.end()) < 4:
            return 0
        self._file.seek(self._start + self.length - 2)
        return chars // 4 * 3 - self._file.read(2).count(b"=")

    def decode_into(self, file: IO[bytes]) -> str:
        """Write the recording, and return its SHA-256. Raises InvalidMelody, and Unavailable while too many wait."""
        at = self._data_at()
        found = TURNS.run(lambda: self._decode(at, file))
        if isinstance(found, InvalidMelody):
            raise found
        file.seek(0)
        return found

    def _data_at(self) -> int:
        """Return where the base64 begins within the text. Raises InvalidMelody."""
        if (marked := BASE64_FLAG.search(self._head)) is None:
            if b"," in self._head:
                raise self._refusal("is a data: URI without base64, and percent-encoding is not read")
            raise self._refusal(f"is a data: URI without ;base64, in its first {HEAD_BYTES} characters")
        about = self._head[len(SCHEME) : marked.start()].decode("ascii", "replace")
        media_type = about.partition(";")[0].strip().lower() or "text/plain"  # RFC 2397, section 2
        if not MEDIA_TYPE.fullmatch(media_type) or not (media_type.startswith("audio/") or media_type in CONTAINERS):
            raise self._refusal(f"is a data: URI of the type {media_type[:60]!r}, which is no audio")
        if marked.end() == self.length:
            raise self._refusal("is a data: URI with nothing in it")
        return marked.end()

    def _decode(self, at: int, file: IO[bytes]) -> str | InvalidMelody:
        """Decode the base64 from there on. What is wrong is returned and not raised, for this runs in a thread."""
        digest, done = hashlib.sha256(), at
        self._file.seek(self._start + at)
        while done < self.length:
            block = self._file.read(min(BLOCK_CHARS, self.length - done))
            try:
                recording = binascii.a2b_base64(block, strict_mode=True)
            except binascii.Error:
                return self._bad_base64(block, done - at, self.length - at)
            done += len(block)
            if done < self.length and block.endswith(b"="):
                return self._refusal("has base64 that goes on behind its padding (=)")
            digest.update(recording)
            file.write(recording)
        return digest.hexdigest()

    def _bad_base64(self, block: bytes, at: int, chars: int) -> InvalidMelody:
        bad = NO_BASE64.search(block)
        if bad is None and chars % 4:
            return self._refusal(f"has base64 that was cut off or lacks its padding (=): {chars} characters")
        if bad is None:
            return self._refusal("has base64 with padding (=) before its end, or too much of it")
        found, where = bad[0], f"character {at + bad.start() + 1} of its base64"
        if found.isspace():
            return self._refusal(f"has a blank or a line break as {where}", "write it in one line, as base64 -w0 does")
        if found in b"-_":
            return self._refusal(f"has base64 for addresses: {found.decode()} is {where}", "write + and / for - and _")
        if found == b"%":
            return self._refusal(f"has percent-encoding in its base64: % is {where}", "write +, / and = as they are")
        return self._refusal(f"has {found.decode('latin-1')!r}, which is no base64, as {where}")

    def _refusal(self, message: str, remedy: str = REMEDY) -> InvalidMelody:
        return InvalidMelody(f"{message}; {remedy}", value=repr(self))


@contextmanager
def opened(sent: object) -> Iterator[tuple[IO[bytes], str | None]]:
    """Open what a request has in a field for audio: a form's file, or a data: URI. Of the latter, its SHA-256 besides.

    Raises InvalidMelody for anything else, and as `DataUri.decode_into`.
    """
    if hasattr(sent, "read"):
        yield cast(IO[bytes], sent), None
        return
    uri = _as_data_uri(sent)
    with tempfile.TemporaryFile() as recording:  # made here: what is left for the thread to do is read and write
        digest = uri.decode_into(recording)
        yield recording, digest


def _as_data_uri(sent: object) -> DataUri:
    """Return a URI that stood in a short text, or was taken out of the body before. Raises InvalidMelody."""
    if isinstance(sent, DataUri):
        return sent
    if isinstance(sent, str) and sent[: len(SCHEME)].lower() == SCHEME:
        text = sent.encode()
        return DataUri(io.BytesIO(text), 0, len(text))
    if isinstance(sent, str) and ADDRESS.match(sent):
        raise InvalidMelody(f"is an address, and nothing is fetched from addresses; {REMEDY}", value=repr(sent[:80]))
    raise InvalidMelody(f"is no data: URI; {REMEDY}", value=repr(sent)[:80])
