"""Decode finished codes to audio, in a thread and on a CUDA stream of their own (`Postprocessor`)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from worker.engine.codec.codec import Codec, CodecStream, push_all
from worker.engine.core.compute_lock import ComputeLock
from worker.engine.core.failures import is_device_error, public_error
from worker.engine.core.streams import WorkStream
from worker.engine.core.types import Clip, EngineInfo
from worker.engine.imports.audiocraft import MusicGen
from worker.engine.model.memory import peak_bytes
from worker.engine.model.validation import warnings_for
from worker.engine.native.loader import Kernels
from worker.engine.runners.sequence import Sequence

CHUNK_FRAMES = (20, 34, 50)  # of a stream: first 0.4 s, then what completes a second, then a second again and again
MAX_BATCH = 8  # sequences in one run of the codec, whose LSTM then reads its weights once for all of them

Samples = npt.NDArray[np.float32]  # [channels, samples]


@dataclass(frozen=True)
class Due:
    """Describe codes [codebooks, frames] to decode: new ones of a stream; all of them, with `last`, at a clip's end."""

    sequence: Sequence
    codes: torch.Tensor
    last: bool = False


Decode = Callable[[list[Due]], list[Samples]]


class Postprocessor:
    """Run the codec on new codes (`after_step`) and on complete ones (`finish`), and end the request's handle.

    Clips that wait at the same time are decoded in one batch, whatever their lengths, and so are chunks of streams.
    Where torch runs the LSTM, that changes the last bits of their samples; with `solo` each is decoded alone.
    """

    def __init__(
        self,
        model: MusicGen,
        info: EngineInfo,
        on_break: Callable[[BaseException], None],
        compute_lock: ComputeLock,
        solo: bool = False,
        kernels: Kernels | None = None,
    ) -> None:
        self._on_break = on_break  # called with an error of the device
        self._compute_lock = compute_lock
        self._codec = Codec.prepare(model.compression_model, kernels, compute_lock.give_way)
        self._card: int = model.lm.card
        self._info = info
        self._work_stream = WorkStream(self._codec.device)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="codec")
        self._max_batch = 1 if solo else MAX_BATCH
        self._chunks: deque[Due] = deque()  # of streams
        self._clips: deque[Due] = deque()

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Decode codes that belong to no request. [codebooks, frames] -> [channels, samples] on the CPU"""

        def decode() -> torch.Tensor:
            with self._compute_lock:
                return self._work_stream.run(lambda: self._codec.decode(codes).cpu())

        return self._pool.submit(decode).result()

    def after_step(self, sequence: Sequence) -> None:
        """Decode a streamed request's complete frames, once there is a chunk of them."""
        if not sequence.request.stream:
            return
        new_codes = sequence.take_new_codes(CHUNK_FRAMES[min(sequence.chunks_taken, len(CHUNK_FRAMES) - 1)])
        if new_codes is not None:
            self._chunks.append(Due(sequence, new_codes))
            self._pool.submit(self._decode_next)

    def finish(self, sequence: Sequence) -> None:
        """Decode a sequence that has all its codes, and finish its handle with the clip."""
        queue = self._chunks if sequence.request.stream else self._clips
        queue.append(Due(sequence, sequence.all_codes(), last=True))
        self._pool.submit(self._decode_next)

    def close(self) -> None:
        """Stop the codec's thread once what was handed in is done."""
        self._pool.shutdown(wait=True)

    def _decode_next(self) -> None:
        """Decode what is due of streams, whose listeners wait, or else clips. An earlier call may have left none."""
        if self._chunks:
            self._decode(self._take(self._chunks), self._chunk_samples, self._give_chunk)
        else:
            self._decode(self._take(self._clips), self._clip_samples, self._finish_clip)

    def _take(self, queue: deque[Due]) -> list[Due]:
        """Take those that have waited longest, at most one of each sequence."""
        batch: list[Due] = []
        while queue and len(batch) < self._max_batch:  # the decode thread only appends
            if any(queue[0].sequence is due.sequence for due in batch):
                break
            due = queue.popleft()
            if not due.sequence.handle.done:
                batch.append(due)
        return batch

    def _decode(self, batch: list[Due], decode: Decode, give: Callable[[Due, Samples], None]) -> None:
        """Decode a batch and give each its samples. When that raises, decode each alone, and fail what raises again.

        An error of the device ends all.
        """
        if not batch:
            return
        try:
            with self._compute_lock:
                decoded = self._work_stream.run(lambda: decode(batch))
        except Exception as error:
            if is_device_error(error):
                self._on_break(error)
                return
            if len(batch) == 1:
                batch[0].sequence.handle.fail(public_error(error))
                return
            for due in batch:
                self._decode([due], decode, give)
            return
        for due, samples in zip(batch, decoded, strict=True):
            try:
                give(due, samples)
            except Exception as error:
                due.sequence.handle.fail(public_error(error))

    def _chunk_samples(self, batch: list[Due]) -> list[Samples]:
        """Decode the next codes of streams, or what is left at their end."""
        pushed: list[tuple[CodecStream, torch.Tensor | None]] = []
        for due in batch:
            due.sequence.stream = due.sequence.stream or self._codec.stream()
            pushed.append((due.sequence.stream, None if due.last else due.codes))
        return [samples.cpu().numpy() for samples in push_all(pushed)]

    def _clip_samples(self, batch: list[Due]) -> list[Samples]:
        return [samples.cpu().numpy() for samples in self._codec.decode_all([due.codes for due in batch])]

    def _give_chunk(self, due: Due, samples: Samples) -> None:
        """Hand out a chunk up to the clip's end, as a view of the sequence's waveform, and at its end the clip."""
        sequence = due.sequence
        if not sequence.waveform.size:
            sequence.waveform = np.empty((self._codec.channels, self._samples(sequence)), np.float32)
        target = sequence.waveform[:, sequence.samples_done : sequence.samples_done + samples.shape[1]]
        if target.shape[1]:
            target[:] = samples[:, : target.shape[1]]
            sequence.samples_done += target.shape[1]
            sequence.handle.add_chunk(target)
        if due.last:
            self._finish_clip(due, sequence.waveform[:, : sequence.samples_done])

    def _finish_clip(self, due: Due, waveform: Samples) -> None:
        """Finish the handle with its clip."""
        sequence, handle = due.sequence, due.sequence.handle
        seconds = time.monotonic() - sequence.began_at
        warnings = warnings_for(handle.request, self._card)
        trimmed = waveform[:, : self._samples(sequence)]
        handle.finish(Clip(trimmed, self._info.sample_rate_hz, seconds, due.codes.numpy(), warnings))

    def _samples(self, sequence: Sequence) -> int:
        return round(sequence.request.duration_s * self._info.sample_rate_hz)


def codec_peak(model: MusicGen) -> int:
    """Return the bytes of a GPU that the codec takes at most: for as many clips of a window as it decodes at once."""
    if model.device.type != "cuda":
        return 0
    codec = Codec.prepare(model.compression_model)
    codes = torch.zeros(codec.codebooks, int(model.max_duration * model.frame_rate), dtype=torch.int64)
    return peak_bytes(codec.device, lambda: codec.decode_all([codes] * MAX_BATCH))
