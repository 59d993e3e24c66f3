"""Tell what an upload is from its content, never from its name, and part it into its recordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from api.uploads.structure import bmff, caf, ebml, flac, magic_bytes, mpeg_frames, ogg_pages, pcm
from api.uploads.structure.byte_windows import Data, Recording
from api.uploads.structure.refusals import Refusal, cut_off, not_accepted, not_audio
from api.uploads.structure.tags import skip_tags, tag_length

Walker = Callable[[Data, int, int], tuple[list[Recording], int]]
WALKERS: Mapping[str, Walker] = {
    "wav": lambda data, start, end: pcm.read_wav(data, start),
    "aiff": lambda data, start, end: pcm.read_aiff(data, start),
    "caf": lambda data, start, end: caf.read_caf(data, start),
    "flac": flac.read_flac,
    "ogg": ogg_pages.read_ogg,
    "matroska": ebml.read_matroska,
    "mov": bmff.read_mov,
    "mp3": lambda data, start, end: mpeg_frames.read_frames(data, start, end, "mp3"),
    "aac": lambda data, start, end: mpeg_frames.read_frames(data, start, end, "aac"),
}
SEARCHED_BYTES = 1 << 16  # for a file behind something else
UNHEARD_BYTES = 1 << 12  # behind the last recording, of which nothing is said
MOST_RECORDINGS = 100


def recordings_of(data: Data) -> list[Recording]:
    """Return the recordings in an upload, in order; more than one where files were joined.

    Raises Refusal for what is no audio, or was cut off.
    """
    end = len(data)
    kind: str | None
    kind, start = _first(data, end)
    recordings: list[Recording] = []
    while kind is not None:
        found, start = WALKERS[kind](data, start, end)
        recordings += found
        if len(recordings) > MOST_RECORDINGS:
            message = f"the file is more than {MOST_RECORDINGS} recordings, joined; send it as one"
            raise Refusal(message, f"{len(recordings)} at least")
        kind, start = _next(data, start, end)
    if recordings and end - start > UNHEARD_BYTES:
        unheard = f"{end - start} bytes behind its sound are no recording: they were not heard"
        recordings[-1] = recordings[-1]._replace(warnings=(*recordings[-1].warnings, unheard))
    return recordings


def _first(data: Data, end: int) -> tuple[str, int]:
    """Return what begins at the start, or not far behind."""
    if (tag := tag_length(data, 0)) > end:
        raise cut_off(f"{end} of {tag} bytes of the tag before the sound")
    kind, start = _beginning(data, 0, end)
    if kind or (kind := _likely(data[start : start + 12])):
        return kind, start
    if other := magic_bytes.other_format(data, start):
        raise not_accepted(other)
    if kind := mpeg_frames.begins(data, start, end):
        return kind, start
    return _behind(data, start, end) or _framed(data, start, end)


def _next(data: Data, at: int, end: int) -> tuple[str | None, int]:
    """Return what was joined on there, or not far behind."""
    kind, start = _beginning(data, at, end)
    return (kind, start) if kind else _behind(data, start, end) or (None, start)


def _behind(data: Data, start: int, end: int) -> tuple[str, int] | None:
    """Return the whole file that begins behind something else, and where."""
    found = magic_bytes.next_beginning(data, start, min(end, start + SEARCHED_BYTES))
    kind = magic_bytes.beginning_at(data, found)
    return (kind, found) if kind else None


def _beginning(data: Data, at: int, end: int) -> tuple[str | None, int]:
    """Return what begins behind tags and zeros, and where. A box's length begins with zeros too."""
    start = skip_tags(data, at, end)
    for before in (0, 3, 2):
        if start - before >= at and (
            kind := magic_bytes.beginning_at(data, start - before) or _box(data, start - before)
        ):
            return kind, start - before
    return mpeg_frames.begins(data, start, end), start


def _box(data: Data, at: int) -> str | None:
    return "mov" if at == 0 and data[4:8] in (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip") else None


def _likely(head: bytes) -> str | None:
    """Return the format that a damaged or unusual beginning shows all the same."""
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and len(head) < 12:
        raise cut_off("it ends within its header")
    return {b"fLaC": "flac", b"OggS": "ogg", b"\x1aE\xdf\xa3": "matroska"}.get(head[:4])


def _framed(data: Data, start: int, end: int) -> tuple[str, int]:
    """Return what frames there are and where, behind a megabyte of something else at most."""
    found = {
        at: name
        for name, reader in mpeg_frames.READERS.items()
        if (at := mpeg_frames.first_frame(data, start, end, reader)) is not None
    }
    if not found:
        raise not_audio()
    return found[min(found)], min(found)
