"""Decode and check an upload, a melody or audio to go on from: the door between an untrusted file and the rest.

Owns the child process that does the decoding (`api.uploads.decoder_process`): its limits, its clock, its empty
environment, and what its end means. Refuses to know audio: no sample is touched in this process, and no codec is loaded
into it.

Whatever the file does to the child, the caller gets InvalidMelody: a refusal, a crash and a timeout are all the
file's fault.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from api.uploads.decoder_slots import open_slots
from api.uploads.sandbox.boot_check import decoder_environment, usable_layers
from shared.errors import InvalidMelody
from shared.jobs.job import LOCAL
from shared.settings import Settings

log = logging.getLogger(__name__)

CHILD = Path(__file__).with_name("decoder_process.py")
ACCEPTED_CODE, REFUSED_CODE = 0, 2
MAX_VERDICT_BYTES = 4096
CANONICAL_HZ = 32_000
FLAC_HEAD_BYTES = 42  # up to the end of STREAMINFO
CANONICAL_BYTES_PER_S = 64_000  # 32 kHz of 16 bits, for each channel; FLAC is smaller, but not always
OUTPUT_MARGIN_BYTES = 1 << 20


@dataclass(frozen=True)
class Melody:
    """Hold the canonical form: 32 kHz 16-bit FLAC. `sha256` is that of `flac`, so equal recordings have equal digests.

    `upload_s` is how long the upload was, of which the last `seconds` are kept; `warnings` say what was odd about it.
    """

    flac: bytes
    seconds: float
    sha256: str
    upload_s: float
    warnings: tuple[str, ...] = ()


def decode_melody(
    source: IO[bytes] | Path,
    settings: Settings,
    *,
    account: str = LOCAL,
    channels: int = 1,
    keep_s: float | None = None,
) -> Melody:
    """Decode the recording in an upload, read from the source's current position.

    As mono, or with up to so many `channels`; of a longer one only the last `keep_s`, which must not be silent.
    Raises InvalidMelody with what is wrong and the remedy, RateLimited when this account decodes as many uploads as it
    may, Unavailable when too many wait for a decoder.
    """
    with tempfile.TemporaryFile() as upload, tempfile.TemporaryFile() as output:
        _copy(source, upload)
        with open_slots(settings).acquire(account, settings.melody_timeout_s):
            code = _run_child(upload, output, settings, _limits(settings, channels, keep_s))
        output.seek(0)
        return _read_output(code, output)


def _copy(source: IO[bytes] | Path, upload: IO[bytes]) -> None:
    """Copy the upload into a real file that can seek, which the child needs."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            shutil.copyfileobj(file, upload)
    else:
        shutil.copyfileobj(source, upload)
    upload.seek(0)


def _run_child(upload: IO[bytes], output: IO[bytes], settings: Settings, limits: str) -> int:
    """Run the child and return its exit code, negative for a signal. Raises InvalidMelody when its time is over."""
    with tempfile.TemporaryFile() as complaints:
        # -I: no current folder, no PYTHON* variables. The group is killed whole, should a codec ever fork.
        process = subprocess.Popen(
            [sys.executable, "-I", str(CHILD), limits],
            stdin=upload,
            stdout=output,
            stderr=complaints,
            env=decoder_environment(),
            cwd="/",
            start_new_session=True,
        )
        try:
            code = process.wait(settings.melody_timeout_s)
        except subprocess.TimeoutExpired:
            message = f"the file took longer than {settings.melody_timeout_s:g} s to decode; send a shorter one"
            raise InvalidMelody(message) from None
        finally:
            _kill_group(process)
        if code not in (ACCEPTED_CODE, REFUSED_CODE):
            log.warning("the melody decoder ended with code %s: %s", code, _tail(complaints))
        return code


def _limits(settings: Settings, channels: int, keep_s: float | None) -> str:
    keep_s = min(settings.max_melody_s, keep_s or settings.max_melody_s)
    return json.dumps(
        {
            "channels": channels,
            "keep_s": keep_s,
            "melody_s": settings.max_melody_s,
            "samples": settings.max_melody_samples,
            "memory_bytes": settings.melody_memory_mb << 20,
            "run_s": math.ceil(settings.melody_timeout_s),
            "output_bytes": math.ceil(keep_s * channels * CANONICAL_BYTES_PER_S) + OUTPUT_MARGIN_BYTES,
            "layers": usable_layers(),
        }
    )


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read_output(code: int, output: IO[bytes]) -> Melody:
    if code not in (ACCEPTED_CODE, REFUSED_CODE):
        raise _crashed(code)
    try:
        verdict = json.loads(output.readline(MAX_VERDICT_BYTES))
        if code == REFUSED_CODE:
            raise InvalidMelody(str(verdict["error"]), value=str(verdict.get("value", "")))
        seconds, upload_s = float(verdict["seconds"]), float(verdict["heard_s"])
        warnings = tuple(map(str, verdict["warnings"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _crashed(code) from None
    flac = output.read()
    if not _is_canonical(flac, seconds):
        raise _crashed(code)
    return Melody(flac, seconds, hashlib.sha256(flac).hexdigest(), upload_s, warnings)


def _is_canonical(flac: bytes, seconds: float) -> bool:
    """Check the header: a decoder that was taken over may answer anything, and a worker will read it as FLAC.

    Source: RFC 9639, 8.2 (STREAMINFO).
    """
    if flac[:4] != b"fLaC" or len(flac) < FLAC_HEAD_BYTES:
        return False
    packed = int.from_bytes(flac[18:26], "big")
    rate_hz, channels, bits, frames = packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & 2**36 - 1
    return (rate_hz, bits) == (CANONICAL_HZ, 16) and channels <= 2 and frames == round(seconds * CANONICAL_HZ)


def _crashed(code: int) -> InvalidMelody:
    cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return InvalidMelody(
        "the file broke its decoder, so it is probably damaged; export it again, as wav for example",
        value=cause,
    )


def _tail(complaints: IO[bytes]) -> str:
    size = complaints.seek(0, os.SEEK_END)
    complaints.seek(max(0, size - 500))
    return complaints.read().decode("utf-8", "replace").strip()
