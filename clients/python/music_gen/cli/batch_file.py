"""Read the requests of a batch from a file: a JSON array, JSON lines, or one prompt a line."""

from __future__ import annotations

import json
import re
import sys
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from music_gen.cli.failures import Misuse
from music_gen.cli.output_file import FORMATS, STDOUT, USUAL_FORMAT
from music_gen.params import FILES

SLUG_LENGTH = 40
COMMENT = "#"
OUTPUT = "output"  # the one field that is the command's and not the API's


@dataclass(frozen=True)
class Request:
    """Hold one request as the API takes it, where in the file it stands, and what its clip will be called."""

    where: str  # "prompts.txt:3"
    fields: Mapping[str, Any]
    file_name: str


def read_requests(source: Path, usual: Mapping[str, Any]) -> list[Request]:
    """Read them; `usual` holds for those that do not say otherwise, where it is not None.

    Raises Misuse, which names the line, for what cannot be read.
    """
    found = list(_parsed(source, _text_of(source)))
    if not found:
        raise Misuse(f"{source}: no request in it; write a prompt a line, JSON lines, or a JSON array")
    defaults = {name: value for name, value in usual.items() if value is not None}
    width = len(str(len(found)))
    requests = [
        _request(where, defaults | _with_files(where, fields, source.parent), f"{number:0{width}}")
        for number, (where, fields) in enumerate(found, 1)
    ]
    first: dict[str, Request] = {}
    for each in requests:
        if first.setdefault(each.file_name, each) is not each:
            raise Misuse(f"{each.where}: output {each.file_name} is that of {first[each.file_name].where}, too")
    return requests


def _text_of(source: Path) -> str:
    try:
        return sys.stdin.read() if source == STDOUT else source.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Misuse(f"{source}: not text in UTF-8 (byte {error.start}); save it so") from error
    except OSError as error:
        raise Misuse(f"{source}: {error.strerror}") from error


def _parsed(source: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each request with where it stands."""
    content = _json_of(text)
    if isinstance(content, dict):
        content = content["requests"] if isinstance(content.get("requests"), list) else [content]
    if isinstance(content, list):
        for number, value in enumerate(content, 1):
            yield _placed(f"{source}, request {number}", value)
        return
    if source.suffix == ".json":
        json_error = _json_error(text)
        raise Misuse(f"{source}: no JSON array of requests: {json_error}")
    for number, line in enumerate(text.splitlines(), 1):
        where, words = f"{source}:{number}", line.strip()
        if words.startswith("{"):
            value = _json_of(words)
            if value is None:
                raise Misuse(f"{where}: begins as JSON and is none: {_json_error(words)}")
            yield _placed(where, value)
        elif words and not words.startswith(COMMENT):
            value = _json_of(words)
            yield where, {"prompt": value if isinstance(value, str) else words}


def _json_of(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _json_error(text: str) -> str:
    try:
        json.loads(text)
    except ValueError as error:
        return str(error)
    return "it is another kind of value"


def _placed(where: str, value: object) -> tuple[str, dict[str, Any]]:
    if isinstance(value, str):
        return where, {"prompt": value}
    if not isinstance(value, dict):
        raise Misuse(f"{where}: {json.dumps(value)[:60]} is no request; write a prompt, or an object with one")
    return where, value


def _with_files(where: str, fields: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the fields with recordings as a client takes them: a path beside the batch's file, or a URI's bytes."""
    given = {name: fields[name] for name in FILES if fields.get(name) is not None}
    return {**fields, **{name: _recording(f"{where}: {name}", value, folder) for name, value in given.items()}}


def _recording(where: str, value: object, folder: Path) -> Path | bytes:
    if not isinstance(value, str):
        raise Misuse(f"{where} is {json.dumps(value)[:60]}, and must be an audio file's path, or a data: URI")
    if value.startswith("data:"):
        try:
            return b64decode(value.partition(",")[2], validate=True)
        except ValueError as error:
            raise Misuse(f"{where}: no data: URI in base64: {error}") from error
    path = folder / value
    if not path.is_file():
        raise Misuse(f"{where}: {path}: no such file")
    return path


def _request(where: str, fields: dict[str, Any], number: str) -> Request:
    fields = dict(fields)
    output = fields.pop(OUTPUT, None)
    if output is None:
        slug = re.sub(r"[^\w]+", "-", str(fields.get("title") or fields.get("prompt") or "").lower())[:SLUG_LENGTH]
        name = "-".join(filter(None, (number, slug.strip("-"))))
        return Request(where, fields, f"{name}.{fields.get('output_format') or USUAL_FORMAT}")
    path = Path(output) if isinstance(output, str) else Path()
    suffix = path.suffix.lower().removeprefix(".")
    if path.is_absolute() or ".." in path.parts or suffix not in FORMATS:
        raise Misuse(
            f"{where}: output is {json.dumps(output)[:80]}, and must be a file's name below the folder that -o names, "
            f"which ends in .{', .'.join(FORMATS)}"
        )
    return Request(where, {**fields, "output_format": suffix}, output)
