"""Delivery: a song's codes to sound, in a thread and on a CUDA stream of its own. Knows no LM and no slots."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from audiocraft.models import MusicGen

from worker.engine.codec.codec import Codec
from worker.engine.core.failures import named
from worker.engine.core.streams import WorkStream
from worker.engine.core.types import Clip
from worker.engine.model.info import EngineInfo
from worker.engine.model.validation import warnings_for
from worker.engine.runners.sequence import Sequence

CHUNK_FRAMES = 50  # of a streamed piece: about a second
FIRST_FRAMES = 20  # its first sound comes sooner
MOST_TOGETHER = 8  # songs in one run of the codec, whose LSTM then reads its weights once for all of them


class Delivery:
    """`after_step` when a song has new codes, `finish` when it has all of them. Ends the song's handle.

    Songs of one length that wait at the same time are decoded together, which changes the last bits of their samples;
    with `apart` each is decoded alone.
    """

    def __init__(self, model: MusicGen, info: EngineInfo, apart: bool = False) -> None:
        self._codec = Codec.prepare(model.compression_model)
        self._card: int = model.lm.card
        self._info = info
        self._work_stream = WorkStream(self._codec.device)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="codec")
        self._most = 1 if apart else MOST_TOGETHER
        self._whole: deque[tuple[Sequence, torch.Tensor]] = deque()  # songs and all their codes [codebooks, frames]

    def after_step(self, sequence: Sequence) -> None:
        """A streamed song's complete frames, once there is a chunk of them."""
        if not sequence.piece.stream:
            return
        fresh = sequence.fresh_codes(CHUNK_FRAMES if sequence.heard else FIRST_FRAMES)
        if fresh is not None:
            self._pool.submit(self._guarded, sequence, self._add_chunk, fresh)

    def finish(self, sequence: Sequence) -> None:
        codes = sequence.finished_codes()
        if sequence.piece.stream:
            self._pool.submit(self._guarded, sequence, self._end_stream, codes)
            return
        self._whole.append((sequence, codes))
        self._pool.submit(self._deliver_waiting)

    def close(self) -> None:
        """After what was handed in is done."""
        self._pool.shutdown(wait=True)

    def _guarded(self, sequence: Sequence, do: Callable[[Sequence, torch.Tensor], None], codes: torch.Tensor) -> None:
        """codes [codebooks, frames]"""
        if sequence.handle.done:
            return
        try:
            self._work_stream.run(lambda: do(sequence, codes))
        except Exception as error:
            sequence.handle.fail(named(error))

    def _add_chunk(self, sequence: Sequence, codes: torch.Tensor) -> None:
        """The next frames of a streamed piece."""
        if sequence.stream is None:
            sequence.stream = self._codec.stream()
            sequence.sound = np.empty((self._codec.channels, self._samples(sequence)), np.float32)
        self._hand_out(sequence, sequence.stream.push(codes))

    def _end_stream(self, sequence: Sequence, codes: torch.Tensor) -> None:
        assert sequence.stream is not None, "its last codes are in the stream"
        self._hand_out(sequence, sequence.stream.finish())
        self._end(sequence, codes, sequence.sound[:, : sequence.sounded])

    def _deliver_waiting(self) -> None:
        """Those that have waited longest, as many as are alike. An earlier call may have left nothing."""
        together: list[tuple[Sequence, torch.Tensor]] = []
        while self._whole and len(together) < self._most:
            sequence, codes = self._whole[0]  # the decode thread only appends
            if together and codes.shape != together[0][1].shape:
                break
            self._whole.popleft()
            if not sequence.handle.done:
                together.append((sequence, codes))
        if together:
            self._deliver(together)

    def _deliver(self, together: list[tuple[Sequence, torch.Tensor]]) -> None:
        """All codes -> the clips. What raises is looked for by decoding each song alone."""
        try:
            waveforms = self._work_stream.run(lambda: self._waveforms([codes for _, codes in together]))
            for (sequence, codes), waveform in zip(together, waveforms, strict=True):
                self._end(sequence, codes, waveform)
        except Exception as error:
            if len(together) == 1:
                together[0][0].handle.fail(named(error))
                return
            for entry in together:
                self._deliver([entry])

    def _waveforms(self, codes: list[torch.Tensor]) -> npt.NDArray[np.float32]:
        """[codebooks, frames] each -> [songs, channels, samples]"""
        waveforms: npt.NDArray[np.float32] = self._codec.decode(torch.stack(codes)).cpu().numpy()
        return waveforms

    def _end(self, sequence: Sequence, codes: torch.Tensor, waveform: npt.NDArray[np.float32]) -> None:
        """codes [codebooks, frames], waveform [channels, samples]"""
        handle = sequence.handle
        seconds = time.monotonic() - sequence.began_at
        warnings = warnings_for(handle.piece, self._card)
        whole = waveform[:, : self._samples(sequence)]
        handle.finish(Clip(whole, self._info.sample_rate_hz, seconds, codes.numpy(), warnings))

    def _hand_out(self, sequence: Sequence, chunk: torch.Tensor) -> None:
        """A chunk [channels, samples], without what lies past the piece's end: it is a part of the whole sound."""
        place = sequence.sound[:, sequence.sounded : sequence.sounded + chunk.shape[1]]
        if place.shape[1]:
            place[:] = chunk[:, : place.shape[1]].cpu().numpy()
            sequence.sounded += place.shape[1]
            sequence.handle.add_chunk(place)

    def _samples(self, sequence: Sequence) -> int:
        return round(sequence.piece.duration_s * self._info.sample_rate_hz)
