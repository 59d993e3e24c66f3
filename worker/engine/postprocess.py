"""Decode finished codes to audio, in a thread and on a CUDA stream of their own (`Postprocessor`)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch

from worker.engine.codec.codec import Codec
from worker.engine.core.failures import public_error
from worker.engine.core.streams import WorkStream
from worker.engine.core.types import Clip, EngineInfo
from worker.engine.imports.audiocraft import MusicGen
from worker.engine.model.validation import warnings_for
from worker.engine.native.library import Kernels
from worker.engine.runners.sequence import Sequence

CHUNK_FRAMES = 50  # of a streamed request: about a second
FIRST_CHUNK_FRAMES = 20  # its first audio comes sooner
MAX_BATCH = 8  # sequences in one run of the codec, whose LSTM then reads its weights once for all of them


class Postprocessor:
    """Run the codec on new codes (`after_step`) and on complete ones (`finish`), and end the request's handle.

    Sequences of one length that wait at the same time are decoded in one batch, which changes the last bits of their
    samples; with `solo` each is decoded alone.
    """

    def __init__(self, model: MusicGen, info: EngineInfo, solo: bool = False, kernels: Kernels | None = None) -> None:
        self._codec = Codec.prepare(model.compression_model, kernels)
        self._card: int = model.lm.card
        self._info = info
        self._work_stream = WorkStream(self._codec.device)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="codec")
        self._max_batch = 1 if solo else MAX_BATCH
        self._finished: deque[tuple[Sequence, torch.Tensor]] = deque()  # with all codes [codebooks, frames]

    def after_step(self, sequence: Sequence) -> None:
        """Decode a streamed request's complete frames, once there is a chunk of them."""
        if not sequence.request.stream:
            return
        new_codes = sequence.take_new_codes(CHUNK_FRAMES if sequence.stream_begun else FIRST_CHUNK_FRAMES)
        if new_codes is not None:
            self._pool.submit(self._guarded, sequence, self._add_chunk, new_codes)

    def finish(self, sequence: Sequence) -> None:
        """Decode a sequence that has all its codes, and finish its handle with the clip."""
        codes = sequence.all_codes()
        if sequence.request.stream:
            self._pool.submit(self._guarded, sequence, self._end_stream, codes)
            return
        self._finished.append((sequence, codes))
        self._pool.submit(self._decode_finished)

    def close(self) -> None:
        """Stop the codec's thread once what was handed in is done."""
        self._pool.shutdown(wait=True)

    def _guarded(self, sequence: Sequence, do: Callable[[Sequence, torch.Tensor], None], codes: torch.Tensor) -> None:
        """Run `do`, and fail the request's handle with what it raises. codes [codebooks, frames]"""
        if sequence.handle.done:
            return
        try:
            self._work_stream.run(lambda: do(sequence, codes))
        except Exception as error:
            sequence.handle.fail(public_error(error))

    def _add_chunk(self, sequence: Sequence, codes: torch.Tensor) -> None:
        """Decode the next frames of a streamed request. codes [codebooks, frames]"""
        if sequence.stream is None:
            sequence.stream = self._codec.stream()
            sequence.waveform = np.empty((self._codec.channels, self._samples(sequence)), np.float32)
        self._emit_chunk(sequence, sequence.stream.push(codes))

    def _end_stream(self, sequence: Sequence, codes: torch.Tensor) -> None:
        assert sequence.stream is not None, "its last codes are in the stream"
        self._emit_chunk(sequence, sequence.stream.finish())
        self._finish_clip(sequence, codes, sequence.waveform[:, : sequence.samples_done])

    def _decode_finished(self) -> None:
        """Decode those that have waited longest, as many as have one length. An earlier call may have left none."""
        batch: list[tuple[Sequence, torch.Tensor]] = []
        while self._finished and len(batch) < self._max_batch:
            sequence, codes = self._finished[0]  # the decode thread only appends
            if batch and codes.shape != batch[0][1].shape:
                break
            self._finished.popleft()
            if not sequence.handle.done:
                batch.append((sequence, codes))
        if batch:
            self._decode_batch(batch)

    def _decode_batch(self, batch: list[tuple[Sequence, torch.Tensor]]) -> None:
        """Decode a batch to clips. When that raises, decode each sequence alone, and fail those that raise again."""
        try:
            waveforms = self._work_stream.run(lambda: self._waveforms([codes for _, codes in batch]))
            for (sequence, codes), waveform in zip(batch, waveforms, strict=True):
                self._finish_clip(sequence, codes, waveform)
        except Exception as error:
            if len(batch) == 1:
                batch[0][0].handle.fail(public_error(error))
                return
            for entry in batch:
                self._decode_batch([entry])

    def _waveforms(self, codes: list[torch.Tensor]) -> npt.NDArray[np.float32]:
        """Decode codes of one length. [codebooks, frames] each -> [sequences, channels, samples]"""
        waveforms: npt.NDArray[np.float32] = self._codec.decode(torch.stack(codes)).cpu().numpy()
        return waveforms

    def _finish_clip(self, sequence: Sequence, codes: torch.Tensor, waveform: npt.NDArray[np.float32]) -> None:
        """Finish the handle with its clip. codes [codebooks, frames], waveform [channels, samples]"""
        handle = sequence.handle
        seconds = time.monotonic() - sequence.began_at
        warnings = warnings_for(handle.request, self._card)
        trimmed = waveform[:, : self._samples(sequence)]
        handle.finish(Clip(trimmed, self._info.sample_rate_hz, seconds, codes.numpy(), warnings))

    def _emit_chunk(self, sequence: Sequence, chunk: torch.Tensor) -> None:
        """Hand out a chunk [channels, samples] up to the clip's end, as a view of the sequence's waveform."""
        target = sequence.waveform[:, sequence.samples_done : sequence.samples_done + chunk.shape[1]]
        if target.shape[1]:
            target[:] = chunk[:, : target.shape[1]].cpu().numpy()
            sequence.samples_done += target.shape[1]
            sequence.handle.add_chunk(target)

    def _samples(self, sequence: Sequence) -> int:
        return round(sequence.request.duration_s * self._info.sample_rate_hz)
