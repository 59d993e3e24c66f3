"""Write AAC, as m4a and as raw aac: pydub hands the samples to an ffmpeg program. Read it back by PyAV.

An encoder begins with 1024 samples of silence, and ends with a full frame. An m4a says where in that the music begins
and ends (an edit list), to the sample. Raw aac has no place for it: players give the silence before (32 ms at 32 kHz)
and what fills the last frame too. `read_aac`, which knows what was written, leaves them out.

FFmpeg's encoder makes up to twice the peak of music in the very first frame. So a frame of silence is encoded before
it, at a negative time: the m4a's edit list leaves it out with the rest, and of raw aac it is cut off.
"""

from __future__ import annotations

import io
import tempfile
import threading
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from shared.audio.levels import BLOCK, Levelled, Waveform
from shared.audio.tags import Tags, id3_of
from shared.errors import FormatUnavailable
from shared.music.formats import FORMATS, WITHOUT_FFMPEG, lacks_ffmpeg

FRAME = PRIMING = 1024  # samples
FULL_SCALE = 2.0**31
MOST_BITS_A_SECOND, BITS_A_SAMPLE = 128_000, 4  # of one channel; AAC itself allows 6 bits a sample
CONTAINERS = {"m4a": "ipod", "aac": "adts"}  # as FFmpeg names them
LENGTH_TAG = "TLEN"
_files = threading.local()  # .folder: where this thread's export keeps its files


def expect_program(name: str, ffmpeg: str | None) -> str | None:
    """Return the program. Raises FormatUnavailable where the format needs one and there is none."""
    if FORMATS[name].needs_ffmpeg and ffmpeg is None:
        raise FormatUnavailable(lacks_ffmpeg(name, "this worker"))
    return ffmpeg


def write_aac(levelled: Levelled, rate_hz: int, name: str, tags: Tags | None, ffmpeg: str | None) -> bytes:
    """Return an m4a or aac file of these samples. Raises FormatUnavailable where there is no program, or it fails."""
    program = expect_program(name, ffmpeg)
    assert program is not None, "these formats need one"
    channels, samples = levelled.waveform.shape
    with tempfile.TemporaryDirectory(prefix="ostinato-") as folder:
        # the tags go in a file: a command line can be read by others, and has no room for long ones
        described = Path(folder) / "tags"
        described.write_text(_ffmetadata(tags), encoding="utf-8")
        options = encoder_options(name, rate_hz, channels)
        parameters = ["-f", "ffmetadata", "-i", str(described), "-map", "0:a", "-map_metadata", "1", *options]
        data = _export(_pcm(levelled), rate_hz, channels, name, parameters, program, folder)
    if name == "m4a":
        return data
    frames = data[_adts_bytes(data) :]
    return id3_of(tags, samples / rate_hz) + frames if tags is not None else frames


def encoder_options(name: str, rate_hz: int, channels: int) -> list[str]:
    """Return what tells ffmpeg how to write that format: equal samples give equal bytes."""
    bits_a_second = channels * min(MOST_BITS_A_SECOND, BITS_A_SAMPLE * rate_hz)
    # noise put in place of what is hard to encode doubles the peak where music begins at once
    options = ["-v", "error", "-c:a", "aac", "-b:a", str(bits_a_second), "-aac_pns", "0"]
    options += ["-fflags", "+bitexact", "-flags:a", "+bitexact"]
    options += ["-af", f"asetpts=PTS-{FRAME}"]
    # what a player needs to begin stands first, and lengths are told in samples, not in milliseconds
    return [*options, "-movflags", "+faststart", "-movie_timescale", str(rate_hz)] if name == "m4a" else options


def decode_aac(data: bytes) -> Iterator[Waveform]:
    """Decode a file of ours, block by block, as a player does. [channels, samples]"""
    import av

    with av.open(io.BytesIO(data), "r") as file:
        for frame in file.decode(file.streams.audio[0]):
            yield np.asarray(frame.to_ndarray(), np.float32)


def read_aac(data: bytes) -> tuple[Waveform, int]:
    """Return the samples of a file of ours, [channels, samples], and their rate."""
    import av

    with av.open(io.BytesIO(data), "r") as file:
        stream = file.streams.audio[0]
        rate_hz = int(stream.rate)
        raw, length_ms = file.format.name == "aac", file.metadata.get(LENGTH_TAG)
        length = (
            None if raw or stream.duration is None or stream.time_base is None else stream.duration * stream.time_base
        )
    exact = None if length is None else round(length * rate_hz)
    waveform = np.concatenate(list(decode_aac(data)), axis=1)[:, PRIMING if raw else 0 :]
    if raw and length_ms is not None:
        exact = round(int(length_ms) * rate_hz / 1000)
    return waveform[:, :exact], rate_hz


def _pcm(levelled: Levelled) -> bytes:
    """Return a frame of silence and the samples, as 32-bit whole numbers: so quiet music loses nothing."""
    out = io.BytesIO()
    out.write(bytes(FRAME * 4 * len(levelled.waveform)))
    for frames in levelled.blocks(BLOCK):
        scaled = np.rint(frames.astype(np.float64) * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1)
        out.write(scaled.astype("<i4").tobytes())
    return out.getvalue()


def _adts_bytes(data: bytes) -> int:
    """Return how long the first frame of raw AAC is: 13 bits of its header (ISO/IEC 14496-3, 1.A.2)."""
    return (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5


def _export(
    pcm: bytes, rate_hz: int, channels: int, name: str, parameters: list[str], ffmpeg: str, folder: str
) -> bytes:
    pydub = _pydub()
    segment = pydub.AudioSegment(pcm, sample_width=4, frame_rate=rate_hz, channels=channels)
    segment.converter = ffmpeg
    out = io.BytesIO()
    _files.folder = folder
    try:
        segment.export(out, format=CONTAINERS[name], parameters=parameters)
    except (pydub.exceptions.CouldntEncodeError, OSError) as error:
        why = (str(error).strip().splitlines() or ["no reason given"])[-1][:200]
        message = f"the ffmpeg program failed to write {name}. Send it again, or one of {WITHOUT_FFMPEG}"
        raise FormatUnavailable(message, inner=f"{message} ({ffmpeg}: {why})") from None
    finally:
        del _files.folder
    return out.getvalue()


@cache
def _pydub() -> Any:
    """Return pydub, which leaves its files behind where an export fails: they go in the folder of that export."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where the PATH has no ffmpeg, and of its own regular expressions
        import pydub
        import pydub.audio_segment
        import pydub.exceptions
    pydub.audio_segment.NamedTemporaryFile = _named_file
    return pydub


def _named_file(mode: str, delete: bool) -> Any:
    return tempfile.NamedTemporaryFile(mode, dir=_files.folder, delete=delete)


def _ffmetadata(tags: Tags | None) -> str:
    """Return the tags in FFmpeg's own format for them.

    FFmpeg takes a line that ends in a backslash for unfinished, however that is escaped. A comment is JSON and never
    ends in one; a title may, so it stands last, and nothing ends its line.
    """
    lines = [] if tags is None else [f"comment={_escaped(tags.comment)}", f"title={_escaped(tags.title)}"]
    return "\n".join([";FFMETADATA1", *lines])


def _escaped(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")  # which would end it
    return "".join(f"\\{char}" if char in "=;#\\\n" else char for char in text)
