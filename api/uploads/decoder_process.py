"""Decode one untrusted upload in a process of its own: stdin is the upload, argv[1] the limits, stdout the result.

The answer is one JSON line, `{"seconds": ..., "heard_s": ..., "warnings": [...]}` followed by the canonical FLAC, or
`{"error": ..., "value": ...}`. Exit code 0 is accepted, 2 refused; anything else is a crash, which the parent reads as
a refusal.

Owns what makes a recording acceptable and what its canonical form is; how a file is opened, `recordings` says.
Imports nothing of Ostinato but the modules for this: it starts in a quarter of a second, and a file that takes this
process over finds no settings and no keys in it. All that decoding needs is imported before the process confines itself
(api/uploads/sandbox), for no file can be opened after that.

The canonical form is 32 kHz (the rate of every MusicGen), FLAC, 16 bits: of a melody the model hears the chroma, a few
bits' worth; 24 bits would double the storage for noise. A melody is mono; audio to go on from keeps two channels.
"""

from __future__ import annotations

import errno
import json
import resource
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

if not __package__:  # an isolated interpreter, which searches no folder of ours
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from api.uploads.ffmpeg_reader import Block
from api.uploads.recordings import Upload, standard_input
from api.uploads.sandbox import confinement
from api.uploads.structure.byte_windows import Data
from api.uploads.structure.channel_layout import mix
from api.uploads.structure.refusals import Refusal

Samples = npt.NDArray[np.float32]

RATE_HZ = 32_000
SILENT_PEAK = 1e-3  # -60 dBFS. The peak, not the average: a short hum in a long pause is a melody.
IMPOSSIBLE_PEAK = 1e12  # times full scale: what no recording has
ACCEPT, REFUSE = 0, 2


class Limits(NamedTuple):
    """Limit decoding: at most `samples` of all channels together; `channels` are kept, and of them the last `keep_s`.

    `layers` of the confinement are entered: those that are known to be missing on this machine are left out.
    """

    melody_s: float
    memory_bytes: int
    run_s: int
    output_bytes: int
    samples: int = sys.maxsize
    channels: int = 1
    keep_s: float = float("inf")
    layers: Sequence[str] = tuple(confinement.LAYERS)


def confine(limits: Limits) -> None:
    """Confine this process: from here on it can neither grow, linger, write much, start others, nor open anything."""
    ceilings = {
        resource.RLIMIT_CPU: limits.run_s,
        resource.RLIMIT_FSIZE: limits.output_bytes,
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
    confinement.enter(limits.layers)


class Decoded(NamedTuple):
    """Hold canonical samples [samples, channels], and how long the upload was before any cut."""

    samples: Samples
    upload_s: float
    warnings: list[str]


def decode(data: Data, limits: Limits) -> Decoded:
    """Decode an upload into canonical samples, or a Refusal."""
    upload = Upload(data, limits.melody_s, limits.samples)
    samples, upload_s = read(upload.blocks(), limits)
    return Decoded(level(samples), upload_s, upload.warnings)


def read(blocks: Iterator[Block], limits: Limits) -> tuple[Samples, float]:
    """Read block by block, for a small file can hold days: memory grows with what is kept only."""
    kept: deque[Samples] = deque()
    count, kept_count, wanted = 0, 0, limits.keep_s * RATE_HZ
    for chunk in resampled(blocks, limits.channels):
        kept.append(chunk)
        count, kept_count = count + len(chunk), kept_count + len(chunk)
        while kept_count - len(kept[0]) >= wanted:
            kept_count -= len(kept.popleft())
    samples = np.concatenate(kept)
    return samples if len(samples) <= wanted else samples[-round(wanted) :], count / RATE_HZ


def resampled(blocks: Iterator[Block], most_channels: int) -> Iterator[Samples]:
    """Resample each stretch of one rate to the canonical one, with the channels of the first block, at most so many."""
    resampler, rate_hz, channels = None, 0, 0
    for block in blocks:
        channels = channels or min(most_channels, block.samples.shape[1])
        if resampler is None or block.rate_hz != rate_hz:
            if resampler is not None:
                yield resampler.resample_chunk(np.zeros((0, channels), np.float32), last=True)
            rate_hz = block.rate_hz
            resampler = soxr.ResampleStream(rate_hz, RATE_HZ, channels, dtype="float32")
        mixed = mix(block.samples, block.speakers, channels)
        yield resampler.resample_chunk(np.ascontiguousarray(mixed))
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros((0, channels), np.float32), last=True)


def level(samples: Samples) -> Samples:
    """Scale to full scale at most, without a constant offset. Quiet stays quiet: the model scales chroma itself."""
    # what is not a number in a block is none after the filter
    if not float(np.abs(samples).max()) < IMPOSSIBLE_PEAK:
        message = "some samples are NaN or infinite, or as good as; export it again, as 16-bit for example"
        raise Refusal(message, "NaN or inf")
    centred = samples - samples.mean(axis=0, dtype=np.float64).astype(np.float32)
    peak = float(np.abs(centred).max())
    if peak < SILENT_PEAK:
        raise Refusal(
            "the recording is silent, or its channels cancel out in the mix to mono; record it louder",
            f"peak {20 * np.log10(max(peak, 1e-9)):.0f} dBFS",
        )
    levelled: Samples = centred / np.float32(max(1.0, peak))
    return levelled


def to_flac(samples: Samples, scratch: IO[bytes]) -> bytes:
    """Encode through a file: for a buffer in memory, soundfile would need memory that can be executed."""
    sf.write(scratch.fileno(), samples, RATE_HZ, format="FLAC", subtype="PCM_16", closefd=False)
    scratch.seek(0)
    return scratch.read()


def respond(data: Data, limits: Limits, scratch: IO[bytes]) -> tuple[int, bytes]:
    try:
        decoded = decode(data, limits)
        verdict = {
            "seconds": len(decoded.samples) / RATE_HZ,
            "heard_s": decoded.upload_s,
            "warnings": decoded.warnings[:5],
        }
        return ACCEPT, line(verdict) + to_flac(decoded.samples, scratch)
    except Refusal as refusal:
        return REFUSE, line({"error": refusal.message, "value": refusal.value})
    except (MemoryError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.ENOMEM:
            raise
        message = "the file needs more memory to decode than is allowed; send it shorter, mono, at 44.1 kHz"
        return REFUSE, line({"error": message, "value": f"{limits.memory_bytes >> 20} MB"})


def line(verdict: Mapping[str, object]) -> bytes:
    return json.dumps(verdict).encode() + b"\n"


def main() -> int:
    limits = Limits(**json.loads(sys.argv[1]))
    with tempfile.TemporaryFile() as scratch:
        upload = standard_input()
        confine(limits)
        code, response = respond(upload, limits, scratch)
        sys.stdout.buffer.write(response)
        sys.stdout.buffer.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
