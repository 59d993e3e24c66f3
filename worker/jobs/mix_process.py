"""Mix one composition in a process of its own: an order on standard input, stems and the mix in open files.

Reports its progress as one JSON object a line, and at last the mix's properties, or why it failed. Equal stems and
orders give equal bytes.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import soundfile

from mixing.audio import Audio
from mixing.errors import MixError
from mixing.mixer import AudioMixer
from mixing.presets import find_preset
from shared.audio.encode import Encoded, encode
from shared.audio.tags import Tags
from shared.errors import OstinatoError, OutOfMemory, UnusableAudio
from shared.music.mix_spec import invalid_mix

NICE = 5  # decoding goes first
MEMORY_BYTES = 3 * 2**30  # of addresses; what it needs is measured in docs/LOG.md
LIVENESS_EVERY_S = 3.0  # of processor time, so that a process that only waits reports none
REMAINING_STEPS = 3  # what the steps after the last stem weigh, in stems


class Stems(Mapping[str, Audio]):
    """Read the stems as they are asked for, one at a time: together they would not fit. `reads` counts the reads."""

    def __init__(self, files: Mapping[str, int]) -> None:
        self._files = files
        self.reads = 0

    def __getitem__(self, name: str) -> Audio:
        handle = self._files[name]
        os.lseek(handle, 0, os.SEEK_SET)
        samples, rate_hz = soundfile.read(handle, dtype="float32", always_2d=True, closefd=False)  # [samples, channels]
        self.reads += 1
        report(share=self.reads / (2 * len(self._files) + REMAINING_STEPS))
        return Audio(samples.T, rate_hz)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def report(**fields: Any) -> None:
    """Write one line to standard output, past Python's buffers: a signal may call `report` within `report`."""
    os.write(sys.stdout.fileno(), f"{json.dumps(fields)}\n".encode())


def report_liveness() -> None:
    """Report every few seconds of processor time: mastering and encoding may take a minute without another report."""
    signal.signal(signal.SIGPROF, lambda *_: report())
    signal.siginterrupt(signal.SIGPROF, False)
    signal.setitimer(signal.ITIMER_PROF, LIVENESS_EVERY_S, LIVENESS_EVERY_S)


def mix(order: Mapping[str, Any]) -> Encoded:
    """Mix the order's stems and encode the result. Raises UnusableAudio, FormatUnavailable, MixError."""
    stems, asked = Stems(order["stems"]), order["mix"]
    preset = find_preset(asked["mix_preset"]) if asked["mix_preset"] else None
    rate_hz = max(soundfile.info(f"/dev/fd/{handle}").samplerate for handle in order["stems"].values())
    own = {name: asked[name] for name in ("levels", "panning", "effects")}
    mixer = AudioMixer(rate_hz)
    balanced = mixer.balance(stems, preset, **own) if preset else mixer.mix_tracks(stems, **own)
    report(share=(2 * len(stems) + 1) / (2 * len(stems) + REMAINING_STEPS))
    return encode(
        balanced.samples,
        balanced.sample_rate_hz,
        order["output_format"],
        loudness_lufs=order["loudness"],
        tags=Tags(order["title"], order["comment"]),
        ffmpeg=order["ffmpeg"],
    )


def main() -> None:
    """Read the order, mix, and report."""
    os.nice(NICE)
    report_liveness()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    order = json.load(sys.stdin)
    tempfile.tempdir = order["folder"]
    try:
        encoded = mix(order)
    except MemoryError:
        report(code=OutOfMemory.code, message="this mix needs more memory than it may have; ask for a shorter piece")
    except MixError as error:
        report(code=UnusableAudio.code, message=f"the stems cannot be mixed: {invalid_mix(error)}")
    except OstinatoError as error:
        report(code=error.code, message=error.message)
    else:
        with open(order["out"], "wb", closefd=False) as out:
            out.write(encoded.data)
        report(
            share=1.0,
            duration_s=encoded.duration_s,
            sample_rate_hz=encoded.sample_rate_hz,
            channels=encoded.channels,
            warnings=encoded.warnings,
        )


if __name__ == "__main__":
    main()
