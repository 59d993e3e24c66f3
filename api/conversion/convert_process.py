"""Convert one clip in a process of its own: an order on standard input, the clip and its conversion in open files.

Reports one line of JSON: what it has written, or why it could not. It is a process so that its memory and its time are
bounded, nobody else waits for an encoder, and what breaks breaks alone.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

from shared.audio.decode import decode
from shared.audio.encode import Encoded, encode
from shared.audio.ffmpeg import ffmpeg_programs
from shared.audio.tags import Tags
from shared.errors import FormatUnavailable, OstinatoError, OutOfMemory
from shared.music.formats import FORMATS, lacks_ffmpeg

NICE = 5  # requests go first


def convert(order: Mapping[str, Any]) -> Encoded:
    """Decode the clip and encode it as the order says. Raises FormatUnavailable, UnusableAudio."""
    name = order["output_format"]
    with open(order["clip"], "rb", closefd=False) as clip:
        waveform, rate_hz = decode(clip.read(), order["extension"])
    how: dict[str, Any] = {"tags": Tags(order["title"], order["comment"]), "streamed": order["streamed"]}
    if not FORMATS[name].needs_ffmpeg:
        return encode(waveform, rate_hz, name, **how)
    refused = FormatUnavailable(lacks_ffmpeg(name, "this API server"))
    for program in ffmpeg_programs(order["ffmpeg"]):
        try:
            return encode(waveform, rate_hz, name, ffmpeg=program, **how)
        except FormatUnavailable as error:
            refused = error
    raise refused


def main() -> None:
    """Read the order, convert, and report."""
    os.nice(NICE)
    order = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (order["memory_bytes"], order["memory_bytes"]))
    tempfile.tempdir = order["folder"]
    try:
        encoded = convert(order)
    except MemoryError:
        print(json.dumps({"code": OutOfMemory.code, "message": "this clip is too long to be converted here"}))
    except OstinatoError as error:
        print(json.dumps({"code": error.code, "message": error.message}))
    else:
        with open(order["out"], "wb", closefd=False) as out:
            out.write(encoded.data)
        print(json.dumps({"bytes": len(encoded.data)}))


if __name__ == "__main__":
    main()
