"""Open an upload inside the process that decodes it, and read its recordings block by block.

Owns what is wrong with a file before a sample of it is looked at: its rate and channels, its length, a part that is
missing. What the file's structure shows, `structure.recognise` finds; the samples come from `ffmpeg_reader`.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator

from api.uploads.ffmpeg_reader import Block, Container
from api.uploads.structure.byte_windows import Data, Recording
from api.uploads.structure.recognise import recordings_of
from api.uploads.structure.refusals import Refusal, cut_off, damaged, unreadable

MIN_S = 0.1
RATES_HZ = (4_000, 192_000)
MAX_CHANNELS = 8
LOST_S = 1.0  # that may be damaged: a frame here and there, of any length of recording
ROUNDING_S = 1e-3
WARNED_S = 0.02
CLAIM_S = 0.25  # by which a header may be wrong without a word


def standard_input() -> Data:
    """Return all of it, which must be a file, as memory: to be called before the process confines itself."""
    size = os.fstat(0).st_size
    return mmap.mmap(0, size, access=mmap.ACCESS_READ) if size else b""


class Upload:
    """Read all recordings in an upload, in order. `warnings` are complete when all of it is read.

    At most `max_s` are heard, and `max_samples` of all channels together are decoded: seconds x rate x channels is
    what it costs. Raises Refusal, at once or while it is read.
    """

    def __init__(self, data: Data, max_s: float, max_samples: int) -> None:
        if not len(data):
            raise Refusal("the file is empty; attach the recording itself", "0 bytes")
        self._max_s, self._read_s = max_s, 0.0
        self._max_samples, self._samples = max_samples, 0
        self.warnings: list[str] = []
        self._recordings = recordings_of(data)
        known_s = sum(recording.seconds or 0.0 for recording in self._recordings)
        if known_s > max_s + ROUNDING_S:
            raise _too_long(known_s, max_s)

    def blocks(self) -> Iterator[Block]:
        """Yield all of it, of one recording after the other; at most `max_s`."""
        for recording in self._recordings:
            yield from self._read(recording)
        if self._read_s < MIN_S:
            raise Refusal(f"the recording is shorter than {MIN_S:g} s; send a longer one", f"{self._read_s:.3f} s")

    def _read(self, recording: Recording) -> Iterator[Block]:
        before_s, container = self._read_s, Container(recording.window, recording.reader)
        known_s = recording.seconds or container.repaired_s or 0.0
        known_samples = known_s * container.rate_hz * container.channels
        self._expect_bearable(self._samples + known_samples, before_s + known_s, container)
        for block in container.blocks():
            _check(block)
            self._read_s += len(block.samples) / block.rate_hz
            self._samples += block.samples.size
            self._expect_bearable(self._samples, self._read_s, container)
            if self._read_s > self._max_s + ROUNDING_S:
                raise _too_long(self._read_s, self._max_s)
            yield block._replace(speakers=tuple(recording.speakers)) if recording.speakers else block
        self._warn(*recording.warnings, *container.warnings)
        self._expect_all(recording, container, self._read_s - before_s)

    def _expect_bearable(self, samples: float, seconds: float, container: Container) -> None:
        """Raise Refusal for too many samples.

        Before a recording is decoded, where its structure tells its length, and again while it is.
        """
        if samples > self._max_samples:
            raise Refusal(
                f"the recording has more than {self._max_samples / 1e6:g} million samples (seconds x sample rate x "
                "channels, MAX_MELODY_SAMPLES); send it shorter, in fewer channels, or at a lower sample rate",
                f"{seconds:.1f} s x {container.rate_hz} Hz x {container.channels} channels",
            )

    def _expect_all(self, recording: Recording, container: Container, read_s: float) -> None:
        """Raise Refusal where more is missing than a frame here and there."""
        if container.bad and not read_s:
            raise unreadable(container.error)
        lost_s = read_s * (recording.lost + container.bad / max(1, container.packets - container.bad))
        if recording.reader == "flac":  # its frames do not say how long they are, but each tells its place
            if container.last_is_bad:
                raise cut_off("its last frame is not whole")
            lost_s = max(lost_s, container.end_s - (container.first_s or 0.0) - read_s)
        if lost_s > LOST_S:
            raise damaged(f"{lost_s:.1f} s of it cannot be read")
        if lost_s > WARNED_S:
            self._warn(f"about {lost_s:.2g} s of it are damaged and were left out")
        if recording.claimed_s is not None and abs(recording.claimed_s - read_s) > CLAIM_S:
            self._warn(f"its header says {recording.claimed_s:.1f} s, but there are {read_s:.1f} s")

    def _warn(self, *warnings: str) -> None:
        self.warnings += [warning for warning in warnings if warning not in self.warnings]


def _check(block: Block) -> None:
    if not RATES_HZ[0] <= block.rate_hz <= RATES_HZ[1]:
        accepted = f"{RATES_HZ[0]} to {RATES_HZ[1]} Hz"
        raise Refusal(f"the sample rate must be {accepted}; resample the file", f"{block.rate_hz} Hz")
    if (channels := block.samples.shape[1]) > MAX_CHANNELS:
        message = f"at most {MAX_CHANNELS} channels are accepted; mix it to mono or stereo"
        raise Refusal(message, f"{channels} channels")


def _too_long(seconds: float, max_s: float) -> Refusal:
    return Refusal(f"the recording is longer than {max_s:g} s; cut it to the part that counts", f"{seconds:.1f} s")
