"""The process that mixes one composition: an order on its standard input, stems and the mix in open files.

Tells how far it is, a JSON object a line, and at last what it made, or why it could not. Knows no job and no storage.
Equal stems and orders give equal bytes.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import soundfile

from mixing.audio import Audio
from mixing.errors import MixError
from mixing.mixer import AudioMixer
from mixing.presets import find_preset
from shared.errors import OstinatoError, OutOfMemory, UnusableAudio
from shared.music.mix_spec import invalid_mix
from worker.audio.encode import Encoded, encode
from worker.audio.tags import Tags

NICE = 5  # music that is being made goes first
MEMORY_BYTES = 3 * 2**30  # of addresses; what it needs is measured in docs/LOG.md
LIFE_EVERY_S = 3.0  # of processor time, so that what only waits gives none
WORK = 3  # what the steps after the last stem weigh, in stems


class Stems(Mapping[str, Audio]):
    """The stems as they are asked for, one at a time: together they would not fit. `reads` counts those."""

    def __init__(self, files: Mapping[str, int]) -> None:
        self._files = files
        self.reads = 0

    def __getitem__(self, name: str) -> Audio:
        handle = self._files[name]
        os.lseek(handle, 0, os.SEEK_SET)
        samples, rate_hz = soundfile.read(handle, dtype="float32", always_2d=True, closefd=False)  # [samples, channels]
        self.reads += 1
        tell(share=self.reads / (2 * len(self._files) + WORK))
        return Audio(samples.T, rate_hz)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def tell(**fields: Any) -> None:
    """Past Python's own buffers, which must not be entered twice: `tell` may come between any two steps of itself."""
    os.write(sys.stdout.fileno(), f"{json.dumps(fields)}\n".encode())


def show_life() -> None:
    """A line for every few seconds of work: mastering and encoding may take a minute without another sign of it."""
    signal.signal(signal.SIGPROF, lambda *_: tell())
    signal.siginterrupt(signal.SIGPROF, False)
    signal.setitimer(signal.ITIMER_PROF, LIFE_EVERY_S, LIFE_EVERY_S)


def mix(order: Mapping[str, Any]) -> Encoded:
    """Raises UnusableAudio, OutOfMemory, MixError."""
    stems, asked = Stems(order["stems"]), order["mix"]
    preset = find_preset(asked["mix_preset"]) if asked["mix_preset"] else None
    rate_hz = max(soundfile.info(f"/dev/fd/{handle}").samplerate for handle in order["stems"].values())
    own = {name: asked[name] for name in ("levels", "panning", "effects")}
    mixer = AudioMixer(rate_hz)
    balanced = mixer.balance(stems, preset, **own) if preset else mixer.mix_tracks(stems, **own)
    tell(share=(2 * len(stems) + 1) / (2 * len(stems) + WORK))
    target = preset.target_lufs if preset else order["default_lufs"]
    return encode(
        balanced.samples,
        balanced.sample_rate_hz,
        order["output_format"],
        loudness_lufs=target if order["loudness"] is None else order["loudness"],
        tags=Tags(order["title"], order["comment"]),
    )


def main() -> None:
    os.nice(NICE)
    show_life()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    order = json.load(sys.stdin)
    try:
        made = mix(order)
    except MemoryError:
        tell(code=OutOfMemory.code, message="this mix needs more memory than it may have; ask for a shorter piece")
    except MixError as error:
        tell(code=UnusableAudio.code, message=f"the stems cannot be mixed: {invalid_mix(error)}")
    except OstinatoError as error:
        tell(code=error.code, message=error.message)
    else:
        with open(order["out"], "wb", closefd=False) as out:
            out.write(made.data)
        tell(
            share=1.0,
            duration_s=made.duration_s,
            sample_rate_hz=made.sample_rate_hz,
            channels=made.channels,
            warnings=made.warnings,
        )


if __name__ == "__main__":
    main()
