"""The process that decodes one untrusted upload: stdin is the upload, argv[1] the limits, stdout the answer.

The answer is one JSON line, `{"seconds": ...}` followed by the canonical FLAC, or `{"error": ..., "value": ...}`.
Exit code 0 is accepted, 2 refused; anything else is a crash, which the parent reads as a refusal.

Owns what makes a melody acceptable and what its canonical form is. Imports nothing of Ostinato: it starts in
a sixth of a second, and a file that takes this process over finds no settings and no keys in it.

The canonical form is mono, 32 kHz (the rate of every MusicGen), FLAC, 16 bits: the model hears a melody's chroma, a
few bits' worth; 24 bits would double the storage for noise.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

Samples = npt.NDArray[np.float32]

RATE_HZ = 32_000
FORMATS = {"WAV": "wav", "WAVEX": "wav", "RF64": "wav", "FLAC": "flac", "OGG": "ogg", "MP3": "mp3"}
ACCEPTED = "wav, mp3, ogg, flac, m4a, aac or webm"
MIN_S = 0.1
RATES_HZ = (4_000, 192_000)
MAX_CHANNELS = 8
SILENT_PEAK = 1e-3  # -60 dBFS. The peak, not the average: a short hum in a long pause is a melody.
BLOCK_FRAMES = 1 << 16
UNKNOWN_FRAMES = 1 << 62  # libsndfile's count for a stream whose header gives no length
MISSING_S = 0.25  # a header may promise this much more than there is: encoder padding
ACCEPT, REFUSE = 0, 2


class Limits(NamedTuple):
    melody_s: float
    memory_bytes: int
    run_s: int
    output_bytes: int


class Refusal(Exception):
    """What is wrong with the file, and the remedy."""

    def __init__(self, message: str, value: str = "") -> None:
        super().__init__(message)
        self.message, self.value = message, value


class Source(NamedTuple):
    """An opened upload. `frames` is None where its header gives no length; a block is [samples, channels]."""

    rate_hz: int
    channels: int
    frames: int | None
    blocks: Iterator[Samples]


class Stream(sf.SoundFile):  # type: ignore[misc] # soundfile has no types
    """A file read from front to back. soundfile seeks after each read, which fails on a wrong header."""

    def seekable(self) -> bool:
        return False


def confine(limits: Limits) -> None:
    """From here on this process can neither grow, linger, write much, open files nor start others."""
    ceilings = {
        resource.RLIMIT_CPU: limits.run_s,
        resource.RLIMIT_FSIZE: limits.output_bytes,
        resource.RLIMIT_NOFILE: 16,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
    }
    if sys.platform != "darwin":  # macOS refuses to limit address space
        ceilings[resource.RLIMIT_AS] = limits.memory_bytes
    for what, ceiling in ceilings.items():
        _, hard = resource.getrlimit(what)
        lowered = ceiling if hard == resource.RLIM_INFINITY else min(ceiling, hard)
        resource.setrlimit(what, (lowered, lowered))
    signal.alarm(limits.run_s + 1)  # the parent's own clock comes first; this one outlives the parent


def decode(limits: Limits) -> Samples:
    """Standard input as canonical samples, or a Refusal."""
    size = os.fstat(0).st_size
    if not size:
        raise Refusal("the file is empty; attach the recording itself", "0 bytes")
    check_riff_length(size)
    source = open_source()
    check_header(source, limits.melody_s)
    return level(read_mono(source, limits.melody_s))


def open_source() -> Source:
    if name := container_of(os.pread(0, 12, 0)):
        return open_container(name)
    try:
        stream = Stream(0, closefd=False)
    except sf.LibsndfileError:
        raise Refusal(f"the file is not audio that can be read here; send {ACCEPTED}") from None
    if stream.format not in FORMATS:
        raise Refusal(f"the file's format is not accepted; send {ACCEPTED}", str(stream.format))
    frames = stream.frames if stream.frames < UNKNOWN_FRAMES else None
    return Source(stream.samplerate, stream.channels, frames, blocks(stream))


def container_of(head: bytes) -> str | None:
    """FFmpeg's name for the reader of a file that begins so; None for what libsndfile reads."""
    if head[4:8] == b"ftyp":
        return "mov"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # raw AAC; mp3 has other layer bits
        return "aac"
    return None


def open_container(name: str) -> Source:
    """By a file beside this one, which an isolated interpreter does not find by its name."""
    path = Path(__file__).with_name("melody_container.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        rate_hz, channels, frames, parts = module.read_container(name)
    except module.Broken as error:
        message = f"the file is damaged, was cut off, or is not audio that can be read here; send {ACCEPTED}, whole"
        raise Refusal(message, str(error)) from None
    return Source(rate_hz, channels, frames, whole(parts, module.Broken))


def whole(parts: Iterator[Samples], broken: type[Exception]) -> Iterator[Samples]:
    try:
        yield from parts
    except broken as error:
        raise damaged(str(error)) from None


def check_riff_length(size: int) -> None:
    """libsndfile reads a WAV that was cut off as a shorter one; the melody's end would be missing silently."""
    head = os.pread(0, 8, 0)
    if head[:4] != b"RIFF":
        return
    promised = int.from_bytes(head[4:8], "little") + 8
    streamed = promised >= 0x7FFF0000  # a program that writes into a pipe cannot know the length
    if promised > size + 1 and not streamed:  # + 1: some leave out the last pad byte
        raise Refusal("the file was cut off; upload it again, whole", f"{size} of {promised} bytes")


def check_header(source: Source, max_s: float) -> None:
    if not RATES_HZ[0] <= source.rate_hz <= RATES_HZ[1]:
        accepted = f"{RATES_HZ[0]} to {RATES_HZ[1]} Hz"
        raise Refusal(f"the sample rate must be {accepted}; resample the file", f"{source.rate_hz} Hz")
    if source.channels > MAX_CHANNELS:
        raise Refusal(
            f"at most {MAX_CHANNELS} channels are accepted; mix it to mono or stereo",
            f"{source.channels} channels",
        )
    if source.frames is not None:
        check_length(source.frames / source.rate_hz, max_s)


def check_length(seconds: float, max_s: float) -> None:
    if seconds > max_s:
        raise Refusal(f"the melody is longer than {max_s:g} s; cut it to the part to follow", f"{seconds:.1f} s")
    if seconds < MIN_S:
        raise Refusal(f"the melody is shorter than {MIN_S:g} s; send a longer one", f"{seconds:.3f} s")


def read_mono(source: Source, max_s: float) -> Samples:
    """Block by block, for a small file can hold days: memory grows with the canonical length only."""
    rate = source.rate_hz
    resampler = soxr.ResampleStream(rate, RATE_HZ, 1, dtype="float32")
    pieces: list[Samples] = []
    frames = 0
    for block in source.blocks:
        frames += len(block)
        if frames > max_s * rate:
            check_length(frames / rate, max_s)
        pieces.append(resampler.resample_chunk(block.mean(axis=1)))
    if source.frames is not None and source.frames - frames > MISSING_S * rate:
        raise damaged(f"{frames / rate:.1f} of {source.frames / rate:.1f} s can be read")
    check_length(frames / rate, max_s)
    pieces.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.concatenate(pieces)


def blocks(stream: Stream) -> Iterator[Samples]:
    while True:
        try:
            block = stream.read(BLOCK_FRAMES, dtype="float32", always_2d=True)
        except sf.LibsndfileError as error:
            raise damaged(str(error)) from None
        if not len(block):
            return
        yield block


def damaged(value: str) -> Refusal:
    return Refusal("the file is damaged or was cut off; export it again and upload it whole", value)


def level(samples: Samples) -> Samples:
    """Full scale at most, without a constant offset. Quiet stays quiet: the model scales chroma itself."""
    # What is not a number in a block is none after the filter; and what is near float32's limit overflows there.
    if not np.isfinite(samples).all():
        raise Refusal("some samples are NaN or infinite; export it again, as 16-bit for example", "NaN or inf")
    centred = samples - np.float32(samples.mean(dtype=np.float64))
    peak = float(np.abs(centred).max())
    if peak < SILENT_PEAK:
        raise Refusal(
            "the melody is silent, or its channels cancel out in the mix to mono; record it louder",
            f"peak {20 * np.log10(max(peak, 1e-9)):.0f} dBFS",
        )
    return centred / np.float32(max(1.0, peak))


def to_flac(samples: Samples) -> bytes:
    out = io.BytesIO()
    sf.write(out, samples, RATE_HZ, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def answer(limits: Limits) -> tuple[int, bytes]:
    try:
        samples = decode(limits)
        return ACCEPT, line({"seconds": len(samples) / RATE_HZ}) + to_flac(samples)
    except Refusal as refusal:
        return REFUSE, line({"error": refusal.message, "value": refusal.value})
    except MemoryError:
        message = "the file needs more memory to decode than is allowed; send it shorter, mono, at 44.1 kHz"
        return REFUSE, line({"error": message, "value": f"{limits.memory_bytes >> 20} MB"})


def line(verdict: dict[str, str] | dict[str, float]) -> bytes:
    return json.dumps(verdict).encode() + b"\n"


def main() -> int:
    limits = Limits(**json.loads(sys.argv[1]))
    confine(limits)
    code, data = answer(limits)
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
