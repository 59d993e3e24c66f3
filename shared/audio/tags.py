"""Build a file's tags: its title, and the prompt, seed and model that generated it.

Title and comment are the two tags that every format has and every player shows; the comment is JSON, so that a program
can make the same music again. Only what decides how the music sounds is in it: equal requests share one file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # pydantic takes as long to load as all that writes files
    from shared.jobs.job import Job
    from shared.music.request import MusicRequest

SOFTWARE = "Ostinato"
TITLE_CHARACTERS = 80


@dataclass(frozen=True)
class Tags:
    """Hold the tags that every format has."""

    title: str
    comment: str


def tags_of(job: Job) -> Tags:
    """Build a job's tags."""
    return tags_for(job.request, job.seed, job.model)


def current_tags_of(job: Job) -> Tags:
    """Build the tags that a job's file would have now: its title may have been edited since it was made."""
    return tags_for(job.request.model_copy(update={"title": job.title}), job.seed, job.model)


def tags_for(request: MusicRequest, seed: int, model: str) -> Tags:
    """Build the tags of a request generated with that seed and model."""
    made_of = {"prompt": request.prompt, "seed": seed, "model": model}
    return Tags(request.title or _shortened(request.prompt) or "Untitled", json.dumps(made_of, ensure_ascii=False))


def _shortened(prompt: str) -> str:
    line = " ".join(prompt.split())
    return line if len(line) <= TITLE_CHARACTERS else f"{line[: TITLE_CHARACTERS - 3].rstrip()}..."


def id3_of(tags: Tags, length_s: float | None = None) -> bytes:
    """Build an ID3v2.3 tag for the head of an MP3, since LAME writes UTF-8 and calls it Latin-1, and of raw AAC.

    `length_s`: how long the music is, where the file's frames do not tell.
    """
    language = b"und"
    frames = _id3_frame(b"TIT2", b"", tags.title) + _id3_frame(b"COMM", language + _utf16("") + b"\0\0", tags.comment)
    frames += _id3_frame(b"TSSE", b"", SOFTWARE)
    if length_s is not None:
        frames += _id3_frame(b"TLEN", b"", str(round(length_s * 1000)))
    size = bytes(len(frames) >> shift & 0x7F for shift in (21, 14, 7, 0))  # seven bits a byte, so that no sync appears
    return b"ID3\x03\x00\x00" + size + frames


def _id3_frame(name: bytes, before: bytes, text: str) -> bytes:
    body = b"\x01" + before + _utf16(text)  # 1: UTF-16 with its byte order mark
    return name + len(body).to_bytes(4, "big") + b"\0\0" + body


def _utf16(text: str) -> bytes:
    return b"\xff\xfe" + text.encode("utf-16-le")
