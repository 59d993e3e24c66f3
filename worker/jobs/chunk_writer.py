"""Write one attempt's streamed audio to Redis: limited, as 16-bit samples, in numbered chunks (`ChunkWriter`).

The file is encoded from these very samples afterwards, so the stored file equals the stream. They are kept until then;
while Redis is away, what could not be sent waits for its return.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from shared.errors import BrokerUnavailable, UnusableAudio
from shared.jobs.audio_chunks import Chunk, ChunkStore, Kind
from shared.jobs.job import Job
from worker.audio.limiter import CausalLimiter
from worker.engine.core.handle import Handle
from worker.engine.core.types import Clip, EngineInfo

log = logging.getLogger(__name__)

FULL_SCALE = 32768
# -1 dBFS: one ceiling for every format, with the headroom of lossy ones; rounded down, so that no sample is above
CEILING = int(10 ** (-1 / 20) * FULL_SCALE)
LONGEST_CHUNK_S = 1.0
CHECK_EVERY_S = 1.0

Waveform = npt.NDArray[np.float32]  # [channels, samples]


class ChunkWriter:
    """Stream one attempt: `follow` the handle to its end, `finish` with its clip, `confirm` that Redis has it all."""

    def __init__(self, job: Job, chunks: ChunkStore, info: EngineInfo) -> None:
        self._job = job
        self._chunks = chunks
        self._rate_hz, self._channels = info.sample_rate_hz, info.channels
        self._limiter = CausalLimiter(CEILING / FULL_SCALE, self._rate_hz, self._channels)
        self._samples_left = round(job.request.duration_s * self._rate_hz)  # no more can ever come
        self._entries: list[Chunk] = []
        self._sent = 0  # of the entries
        self._away = False

    def follow(self, handle: Handle, check: Callable[[], None]) -> None:
        """Write the handle's chunks until its request has ended, however it did; `check` is called every second.

        Raises what that raises, StaleAttempt, and UnusableAudio for samples that are not numbers.
        """
        # written before there is any audio: listeners of an earlier attempt start anew
        self._add("begin" if self._job.attempt == 1 else "restart")
        self._try_to_send()
        taken = 0
        while True:
            ended = handle.done
            fresh = handle.chunks_from(taken, CHECK_EVERY_S)
            check()
            try:
                for chunk in fresh:
                    self._limit(chunk)
            finally:
                self._try_to_send()  # once for all of them: while the broker is away each try takes its time
            taken += len(fresh)
            if ended and not fresh:
                return

    def finish(self, clip: Clip) -> Clip:
        """End the stream, and return the clip with the samples that were streamed: what is to be stored."""
        self._quantize(self._limiter.finish())
        self._add("end")
        self._try_to_send()
        reduced_db = self._limiter.reduced_db
        note = f"level: peaks were limited to -1 dBFS as they came, by {reduced_db:.1f} dB at most, since it streamed"
        warnings = (*clip.warnings, note) if reduced_db > 0.05 else clip.warnings
        return replace(clip, waveform=self._streamed_samples(clip.waveform), warnings=warnings)

    def confirm(self) -> None:
        """Write what Redis lacks, also what it had and lost. Raises BrokerUnavailable, StaleAttempt."""
        self._sent = min(self._sent, len(self._entries) - 1)  # its reply to the last one counts all
        self._send()

    def _send(self) -> None:
        """Write the chunks that are not sent yet."""
        while self._sent < len(self._entries):
            # less than was sent, where a Redis that came back has lost its last second
            self._sent = self._chunks.write(self._job, self._entries[self._sent :])

    def _limit(self, chunk: Waveform) -> None:
        """Limit a chunk second by second, though an engine that cannot stream hands out minutes at once."""
        longest = round(LONGEST_CHUNK_S * self._rate_hz)
        for start in range(0, chunk.shape[1], longest):
            self._quantize(self._limiter.push(_finite(chunk[:, start : start + longest])))

    def _quantize(self, waveform: Waveform) -> None:
        waveform = waveform[:, : self._samples_left]
        self._samples_left -= waveform.shape[1]
        level = np.rint(waveform * np.float32(FULL_SCALE)).clip(-CEILING, CEILING)
        if level.size:
            self._add("audio", level.T.astype("<i2").tobytes())  # [samples, channels]

    def _add(self, kind: Kind, pcm: bytes = b"") -> None:
        number = len(self._entries) + 1
        self._entries.append(Chunk(self._job.attempt, number, kind, self._rate_hz, self._channels, pcm))

    def _try_to_send(self) -> None:
        try:
            self._send()
            self._away = False
        except BrokerUnavailable as error:
            if not self._away:
                log.warning("task %s: its chunks wait for the broker: %s", self._job.id, error)
            self._away = True

    def _streamed_samples(self, waveform: Waveform) -> Waveform:
        """Return the streamed samples in the given waveform's memory: of minutes, one waveform is enough."""
        at = 0
        for entry in self._entries:
            frames = np.frombuffer(entry.pcm, "<i2").reshape(-1, self._channels)
            waveform[:, at : at + len(frames)] = frames.T
            at += len(frames)
        waveform /= np.float32(FULL_SCALE)
        return waveform[:, :at]


def _finite(chunk: Waveform) -> Waveform:
    """Return the chunk. Raises UnusableAudio for samples that are NaN or infinite."""
    if not np.isfinite(chunk).all():
        raise UnusableAudio("the model gave samples that are NaN or infinite; try PRECISION=fp32")
    return chunk
