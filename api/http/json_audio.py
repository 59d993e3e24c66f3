"""Take the recordings out of a JSON text while its bytes arrive: data: URIs, which count apart from the rest.

The value of a member by one of some names that begins with `data:` goes into a file, and in its stead remains a
placeholder that no caller can guess. So the rest is counted and built as any JSON is, and then each placeholder becomes
a DataUri. A URI whose name or beginning is escaped, or stands far from its name, remains in the text, and within the
text's limits.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Iterator
from functools import cache
from typing import IO, Any

from api.uploads.data_uris import DataUri

BLANKS = 64  # between a name, its colon and its value
CARRIED_BYTES = 256  # longer than any beginning, which may lie on both sides of a block's end
STRING = re.compile(rb'[^"\\]*(?:\\(?:.|\Z)[^"\\]*)*', re.DOTALL)
ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|(u[0-9a-fA-F]{0,3}\Z|\Z)|(.))", re.DOTALL)
ESCAPED = dict(zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True))


@cache
def _beginning(fields: tuple[str, ...]) -> re.Pattern[bytes]:
    names = "|".join(map(re.escape, fields)).encode()
    blanks = rb"[ \t\r\n]{0,%d}" % BLANKS
    return re.compile(rb'(?<!\\)"(?:' + names + rb')"' + blanks + b":" + blanks + rb'"(?=(?i:data:))')


def has_audio(text: bytes, fields: tuple[str, ...]) -> bool:
    """Return whether a whole text has any recording in these fields."""
    return _beginning(fields).search(text) is not None


class JsonAudio:
    """Hold what was taken out of one text; the URIs lie in `file` one after another."""

    def __init__(self, fields: tuple[str, ...], file: IO[bytes]) -> None:
        self._beginning = _beginning(fields)
        self._file = file
        self._placeholder = secrets.token_hex(16)
        self._uris: list[DataUri] = []
        self._at = self._start = 0  # in the file
        self._inside = False
        self._carried = b""

    @property
    def decoded_bytes(self) -> int:
        """Return how many bytes all its recordings have."""
        return sum(uri.decoded_bytes for uri in self._uris)

    def rest_of(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield what remains of the text."""
        for block in blocks:
            yield self._rest_of(block)
            if self._at:
                time.sleep(0)  # a long body leaves turns to other requests
        yield b"" if self._inside else self._carried

    def put_back(self, found: Any) -> Any:
        """Return what was built of the rest, with a DataUri for each placeholder."""
        if isinstance(found, dict):
            return {name: self.put_back(value) for name, value in found.items()}
        if isinstance(found, list):
            return [self.put_back(value) for value in found]
        if isinstance(found, str) and found.startswith(self._placeholder):
            return self._uris[int(found.removeprefix(self._placeholder))]
        return found

    def _rest_of(self, block: bytes) -> bytes:
        data, self._carried = self._carried + block, b""
        rest, at = list[bytes](), 0
        while True:
            if self._inside:
                at = self._take(data, at)
                if self._inside:
                    return b"".join(rest)
            begun = self._beginning.search(data, at)
            if begun is None:
                break
            rest += [data[at : begun.end()], self._placeholder.encode(), str(len(self._uris)).encode()]
            at, self._inside, self._start = begun.end(), True, self._at
        until = max(at, len(data) - CARRIED_BYTES)
        self._carried = data[until:]
        return b"".join([*rest, data[at:until]])

    def _take(self, data: bytes, at: int) -> int:
        """Take what is there of a URI from there on. Return where its string ends, or the data."""
        end = data.find(b'"', at)
        if data.find(b"\\", at, len(data) if end < 0 else end) < 0:
            end = len(data) if end < 0 else end
            self._write(data[at:end])
        else:
            run = STRING.match(data, at)
            assert run is not None, "it matches nothing too"
            end = run.end()
            self._write(ESCAPE.sub(self._unescaped, run[0]))
        if end < len(data):
            self._write(self._carried)  # no whole escape, before a quotation mark
            self._uris.append(DataUri(self._file, self._start, self._at - self._start))
            self._inside, self._carried = False, b""
        return end

    def _unescaped(self, escape: re.Match[bytes]) -> bytes:
        code, cut, character = escape.groups()
        if cut is not None:
            self._carried = escape[0]
            return b""
        meant = int(code, 16) if code else ESCAPED.get(character[0], 128)
        return bytes([meant]) if meant < 128 else escape[0]  # which is no base64, and refused as such

    def _write(self, text: bytes) -> None:
        self._file.write(text)
        self._at += len(text)
