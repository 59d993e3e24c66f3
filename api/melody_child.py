"""The process that decodes one untrusted upload: stdin is the upload, argv[1] the limits, stdout the answer.

The answer is one JSON line, `{"seconds": ...}` followed by the canonical FLAC, or `{"error": ..., "value": ...}`.
Exit code 0 is accepted, 2 refused; anything else is a crash, which the parent reads as a refusal.

Owns what makes a recording acceptable and what its canonical form is; how a file is opened, `melody_upload` says.
Imports nothing of Ostinato but the modules for this: it starts in a quarter of a second, and a file that takes this
process over finds no settings and no keys in it. All that decoding needs is imported before the process confines itself
(`decoder_sandbox`), for no file can be opened after that.

The canonical form is 32 kHz (the rate of every MusicGen), FLAC, 16 bits: of a melody the model hears the chroma, a few
bits' worth; 24 bits would double the storage for noise. A melody is mono; audio to go on from keeps two channels.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

if not __package__:  # an isolated interpreter, which searches no folder of ours
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from api import decoder_sandbox, melody_container
from api import melody_upload as upload

Samples = npt.NDArray[np.float32]

RATE_HZ = 32_000
SILENT_PEAK = 1e-3  # -60 dBFS. The peak, not the average: a short hum in a long pause is a melody.
ACCEPT, REFUSE = 0, 2


class Limits(NamedTuple):
    """`samples` at most are decoded, of all channels together; `channels` are kept, and of them the last `keep_s`."""

    melody_s: float
    memory_bytes: int
    run_s: int
    output_bytes: int
    samples: int = sys.maxsize
    channels: int = 1
    keep_s: float = float("inf")


def confine(limits: Limits) -> None:
    """From here on this process can neither grow, linger, write much, start others, nor reach what is not open yet."""
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
    decoder_sandbox.enter()


def decode(limits: Limits) -> Samples:
    """Standard input as canonical samples [samples, channels], or a Refusal."""
    source = upload.open_upload(limits.melody_s, lambda: melody_container)
    expect_bearable(source.frames or 0, source, limits)
    channels = source.channels if source.channels <= limits.channels else 1
    return level(read(source, channels, limits))


def read(source: upload.Source, channels: int, limits: Limits) -> Samples:
    """Block by block, for a small file can hold days: memory grows with what is kept only."""
    resampler = soxr.ResampleStream(source.rate_hz, RATE_HZ, channels, dtype="float32")
    kept: deque[Samples] = deque()
    frames, samples, wanted = 0, 0, limits.keep_s * RATE_HZ
    for block in upload.blocks_of(source, limits.melody_s):
        frames += len(block)
        expect_bearable(frames, source, limits)
        mixed = block if channels == block.shape[1] else block.mean(axis=1, keepdims=True)
        kept.append(resampler.resample_chunk(np.ascontiguousarray(mixed)))
        samples += len(kept[-1])
        while samples - len(kept[0]) >= wanted:
            samples -= len(kept.popleft())
    kept.append(resampler.resample_chunk(np.zeros((0, channels), np.float32), last=True))
    whole = np.concatenate(kept)
    return whole if len(whole) <= wanted else whole[-round(wanted) :]


def expect_bearable(frames: int, source: upload.Source, limits: Limits) -> None:
    """Seconds x rate x channels is what an upload costs to decode. A Refusal when it is too much."""
    if frames * source.channels > limits.samples:
        raise upload.Refusal(
            f"the recording has more than {limits.samples / 1e6:g} million samples (seconds x sample rate x channels, "
            "MAX_MELODY_SAMPLES); send it shorter, in fewer channels, or at a lower sample rate",
            f"{frames / source.rate_hz:.1f} s x {source.rate_hz} Hz x {source.channels} channels",
        )


def level(samples: Samples) -> Samples:
    """Full scale at most, without a constant offset. Quiet stays quiet: the model scales chroma itself."""
    # What is not a number in a block is none after the filter; and what is near float32's limit overflows there.
    if not np.isfinite(samples).all():
        raise upload.Refusal("some samples are NaN or infinite; export it again, as 16-bit for example", "NaN or inf")
    centred = samples - samples.mean(axis=0, dtype=np.float64).astype(np.float32)
    peak = float(np.abs(centred).max())
    if peak < SILENT_PEAK:
        raise upload.Refusal(
            "the recording is silent, or its channels cancel out in the mix to mono; record it louder",
            f"peak {20 * np.log10(max(peak, 1e-9)):.0f} dBFS",
        )
    levelled: Samples = centred / np.float32(max(1.0, peak))
    return levelled


def to_flac(samples: Samples, scratch: IO[bytes]) -> bytes:
    """Through a file: for a buffer in memory, soundfile would need memory that can be executed."""
    sf.write(scratch.fileno(), samples, RATE_HZ, format="FLAC", subtype="PCM_16", closefd=False)
    scratch.seek(0)
    return scratch.read()


def answer(limits: Limits, scratch: IO[bytes]) -> tuple[int, bytes]:
    try:
        samples = decode(limits)
        return ACCEPT, line({"seconds": len(samples) / RATE_HZ}) + to_flac(samples, scratch)
    except upload.Refusal as refusal:
        return REFUSE, line({"error": refusal.message, "value": refusal.value})
    except MemoryError:
        message = "the file needs more memory to decode than is allowed; send it shorter, mono, at 44.1 kHz"
        return REFUSE, line({"error": message, "value": f"{limits.memory_bytes >> 20} MB"})


def line(verdict: dict[str, str] | dict[str, float]) -> bytes:
    return json.dumps(verdict).encode() + b"\n"


def main() -> int:
    limits = Limits(**json.loads(sys.argv[1]))
    with tempfile.TemporaryFile() as scratch:
        confine(limits)
        code, data = answer(limits, scratch)
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
