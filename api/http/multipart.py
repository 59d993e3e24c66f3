"""Read the parts of multipart/form-data (RFC 7578) as the bytes arrive, bounded in number and size.

werkzeug's decoder finds the parts; here is what it leaves open: file names in any bytes, what is wrong with a form that
cannot be read, and limits that say which one was met. Knows no field's meaning.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

from werkzeug.datastructures import Headers
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData, State

from api.http.body_limits import MOST_FIELDS, too_large, too_many_fields
from shared.errors import FieldError, InvalidRequest

TEXT_BYTES = 256 * 1024  # of one field
HEAD_BYTES = 16 * 1024  # what a part says about itself
MEMORY_BYTES = 256 * 1024  # of a file; a larger one lies on the disk
BOUNDARY_CHARS = 200  # RFC 2046 allows 70
FILE_NAME = re.compile(r";\s*filename\*?\s*=\s*", re.IGNORECASE)
AS_FILE = "send it as a file, such as -F {0}=@hum.wav with curl (@, not <)"
CHARSETS = frozenset({"utf-8", "us-ascii", "ascii", "iso-8859-1"})


@dataclass
class Part:
    """Collect one part: text, or a file that is read from its beginning. A field left blank is no file."""

    name: str
    charset: str
    file: IO[bytes] | None
    file_named: bool = False
    text: bytes = b""
    size: int = 0

    @property
    def left_blank(self) -> bool:
        """Return whether it is a browser's field for a file in which none was chosen."""
        return self.file is not None and not self.file_named and not self.size


def read_parts(
    blocks: Iterator[bytes], boundary: str, file_fields: tuple[str, ...], opened: ExitStack
) -> Iterator[Part]:
    """Yield each part once all of it has arrived. Files are closed by `opened`.

    Raises InvalidRequest for what is no such form, for too many parts and for a file sent as text, PayloadTooLarge.
    """
    part, count = Part("", "", None), 0
    for event in _events(_decoder(boundary), blocks):
        if isinstance(event, Field | File):
            count += 1
            if count > MOST_FIELDS:
                raise too_many_fields("body", MOST_FIELDS)
            part = _begun(event, file_fields, opened)
        elif isinstance(event, Data):
            _take(part, event.data, file_fields)
            if not event.more_data:
                if part.file is not None:
                    part.file.seek(0)
                yield part


def _begun(event: Field | File, file_fields: tuple[str, ...], opened: ExitStack) -> Part:
    if not event.name:
        raise bad_form("body", "has a part without a name; send each as form-data; name=...")
    charset = parse_options_header(event.headers.get("content-type"))[1].get("charset", "").lower()
    part = Part(event.name, charset if charset in CHARSETS else "utf-8", None)
    if isinstance(event, File):
        part.file_named = bool(event.filename)
        if event.name in file_fields:
            part.file = opened.enter_context(tempfile.SpooledTemporaryFile(MEMORY_BYTES))  # noqa: SIM115 - it is one
        else:
            part.file = io.BytesIO()
    return part


def _take(part: Part, data: bytes, file_fields: tuple[str, ...]) -> None:
    part.size += len(data)
    if part.file is not None:
        if part.name in file_fields:  # of any other there is nothing to be done with its bytes
            part.file.write(data)
        return
    if data and part.name in file_fields:
        raise bad_form(part.name, f"was sent as text; {AS_FILE.format(part.name)}")
    if part.size > TEXT_BYTES:
        recording = f", or, if it is a recording, {AS_FILE.format(file_fields[0])}" if file_fields else ""
        what = f"the text in the form field {part.name[:60]!r}"
        raise too_large(what, TEXT_BYTES, "of a form field", f"shorten it{recording}")
    part.text += data


def _decoder(boundary: str) -> MultipartDecoder:
    if not boundary:
        message = "is multipart/form-data without its boundary; leave that header to the client that makes the form"
        raise bad_form("Content-Type", f"{message} (curl -F, fetch with FormData and requests with files= write it)")
    if len(boundary) > BOUNDARY_CHARS or not boundary.isascii():
        raise bad_form("Content-Type", f"has a boundary that is over {BOUNDARY_CHARS} characters or not ASCII")
    return AnyFileName(boundary.encode())


def _events(decoder: MultipartDecoder, blocks: Iterator[bytes]) -> Iterator[Event]:
    for block in blocks:
        decoder.receive_data(block)
        try:
            while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
                yield event
        except ValueError as error:  # a part without a Content-Disposition
            raise bad_form("body", f"is no form that can be read: {error}") from error
        if decoder.state is State.EPILOGUE:
            return  # whatever comes after the last part means nothing
        if decoder.state in (State.PREAMBLE, State.PART) and len(decoder.buffer) > HEAD_BYTES:
            raise _unfinished(decoder)
    raise _unfinished(decoder)


def _unfinished(decoder: MultipartDecoder) -> InvalidRequest:
    if decoder.state is State.PREAMBLE:
        shown = repr(decoder.boundary.decode()[:60])
        message = f"names the boundary {shown}, which is not in the body; leave that header to the client that makes"
        return bad_form("Content-Type", f"{message} the form", shown)
    if decoder.state is State.PART and len(decoder.buffer) > HEAD_BYTES:
        return bad_form("body", f"has a part whose headers are over {HEAD_BYTES // 1024} KB; send a shorter file name")
    return bad_form("body", "ends before the form's last boundary; send all of it, and the boundary with -- at its end")


class AnyFileName(MultipartDecoder):
    """Read a part's headers whatever the bytes of its file's name, of which it keeps only whether there is one."""

    def _parse_headers(self, data: bytes | bytearray) -> Headers:
        found = Headers()
        for line in re.sub(rb"(?:\r\n|\n|\r)[ \t]+", b" ", bytes(data)).splitlines():
            name, colon, value = line.decode("latin-1").partition(":")
            if colon and (name := name.strip().lower()) not in found:
                found[name] = _without_file_name(value.strip()) if name == "content-disposition" else value.strip()
        return found


def _without_file_name(disposition: str) -> str:
    """Return the header in plain terms: a name in UTF-8 where it is such, and `x` for any file name."""
    before, *after = FILE_NAME.split(disposition, maxsplit=1)
    name = parse_options_header(before)[1].get("name") or parse_options_header(disposition)[1].get("name", "")
    quoted = _utf8(name).replace("\\", "\\\\").replace('"', '\\"')
    kind = "" if not after else '; filename=""' if after[0][:2] in ("", '""') else '; filename="x"'
    return f'form-data; name="{quoted}"{kind}'


def _utf8(latin: str) -> str:
    try:
        return latin.encode("latin-1").decode()
    except (UnicodeEncodeError, UnicodeDecodeError):
        return latin


def bad_form(name: str, message: str, value: str = "") -> InvalidRequest:
    """Return the refusal of a form that cannot be read."""
    return InvalidRequest([FieldError(name, message, value, "INVALID_FORM")])
