"""The process that decodes one untrusted upload: stdin is the upload, argv[1] the limits, stdout the answer.

The answer is one JSON line, `{"seconds": ...}` followed by the canonical FLAC, or `{"error": ..., "value": ...}`.
Exit code 0 is accepted, 2 refused; anything else is a crash, which the parent reads as a refusal.

Owns what makes a recording acceptable and what its canonical form is; how a file is opened, `melody_upload` says.
Imports nothing of Ostinato: it starts in a sixth of a second, and a file that takes this process over finds no settings
and no keys in it.

The canonical form is 32 kHz (the rate of every MusicGen), FLAC, 16 bits: of a melody the model hears the chroma, a few
bits' worth; 24 bits would double the storage for noise. A melody is mono; audio to go on from keeps two channels.
"""

from __future__ import annotations

import importlib.util
import io
import json
import resource
import signal
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr


def load_beside(name: str) -> Any:
    """The module in the file beside this one, which an isolated interpreter does not find by its name."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    from api import melody_upload as upload
else:
    upload = load_beside("melody_upload")

Samples = npt.NDArray[np.float32]

RATE_HZ = 32_000
SILENT_PEAK = 1e-3  # -60 dBFS. The peak, not the average: a short hum in a long pause is a melody.
ACCEPT, REFUSE = 0, 2


class Limits(NamedTuple):
    """`channels` at most are kept, and of the recording the last `keep_s`."""

    melody_s: float
    memory_bytes: int
    run_s: int
    output_bytes: int
    channels: int = 1
    keep_s: float = float("inf")


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
    """Standard input as canonical samples [samples, channels], or a Refusal."""
    source = upload.open_upload(limits.melody_s, lambda: load_beside("melody_container"))
    channels = source.channels if source.channels <= limits.channels else 1
    return level(read(source, channels, limits))


def read(source: upload.Source, channels: int, limits: Limits) -> Samples:
    """Block by block, for a small file can hold days: memory grows with what is kept only."""
    resampler = soxr.ResampleStream(source.rate_hz, RATE_HZ, channels, dtype="float32")
    kept: deque[Samples] = deque()
    samples, wanted = 0, limits.keep_s * RATE_HZ
    for block in upload.blocks_of(source, limits.melody_s):
        mixed = block if channels == block.shape[1] else block.mean(axis=1, keepdims=True)
        kept.append(resampler.resample_chunk(np.ascontiguousarray(mixed)))
        samples += len(kept[-1])
        while samples - len(kept[0]) >= wanted:
            samples -= len(kept.popleft())
    kept.append(resampler.resample_chunk(np.zeros((0, channels), np.float32), last=True))
    whole = np.concatenate(kept)
    return whole if len(whole) <= wanted else whole[-round(wanted) :]


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


def to_flac(samples: Samples) -> bytes:
    out = io.BytesIO()
    sf.write(out, samples, RATE_HZ, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def answer(limits: Limits) -> tuple[int, bytes]:
    try:
        samples = decode(limits)
        return ACCEPT, line({"seconds": len(samples) / RATE_HZ}) + to_flac(samples)
    except upload.Refusal as refusal:
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
