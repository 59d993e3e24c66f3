"""BatchingEngine: one model, one decode thread, many songs. A song joins at the next step and leaves when done.

`submit` returns at once. Text, melody and demucs run in one pool, the codec in another, so that the decode thread only
decodes. A fault of one song ends that song; a fault of a step that cannot be laid at one song's door is looked for by
stepping each song alone.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from audiocraft.models import MusicGen

from shared.errors import GenerationFailed, Unavailable
from worker.engine.cache import SongCache
from worker.engine.codec import Codec
from worker.engine.conditions import Conditioner
from worker.engine.decoder import Decoder
from worker.engine.handle import Cancelled, Handle
from worker.engine.info import EngineInfo, describe, digest_of, files_of
from worker.engine.linear import Precision
from worker.engine.loading import load_musicgen
from worker.engine.pattern import DelayPattern
from worker.engine.piece import Clip, Piece
from worker.engine.reference import check_piece, frames_of, named, warnings_for
from worker.engine.runner import Runner
from worker.engine.sequence import Frames, Sequence
from worker.engine.windows import EXTEND_STRIDE_S, count_steps

log = logging.getLogger(__name__)

ENGINE_VERSION = "1"
MOST_SLOTS = 16  # on a CPU more songs at once gain nothing
PREFIX_ROOM = 300  # positions for the melody's chroma and the text, where they are prepended
CHUNK_FRAMES = 50  # of a streamed piece: about a second


def slots_for(bytes_per_slot: int) -> int:
    """As many as half of the free memory holds, and at least one."""
    return max(1, min(MOST_SLOTS, psutil.virtual_memory().available // 2 // bytes_per_slot))


class BatchingEngine:
    """`submit` from any thread."""

    def __init__(
        self,
        model: MusicGen,
        info: EngineInfo,
        precision: Precision = "fp32",
        slots: int | None = None,
        exact: bool = False,
    ) -> None:
        version = f"{ENGINE_VERSION}{' exact' if exact else ''}, torch {torch.__version__}"
        self.info = replace(info, engine="ostinato", version=version, precision=precision)
        self._model = model
        self._conditioner = Conditioner(model)
        self._to_sound = Codec.prepare(model.compression_model)
        decoder = Decoder(model.lm, precision)
        self.bytes_per_slot = SongCache.bytes_for(
            len(decoder.layers), 2, decoder.dim, int(model.max_duration * model.frame_rate) + PREFIX_ROOM, decoder.dtype
        )
        self.slots = slots or slots_for(self.bytes_per_slot)
        self._runner = Runner(decoder, exact_rows=2 * self.slots if exact else None)
        provider: Any = model.lm.pattern_provider  # a delay pattern: the decoder refuses any other
        self._pattern = DelayPattern(tuple(provider.delays), decoder.card)
        self._handles: weakref.WeakSet[Handle] = weakref.WeakSet()
        self._ready: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._changed = threading.Condition()
        self._closed = False
        self._conditioning = ThreadPoolExecutor(1, thread_name_prefix="conditioning")
        self._codec = ThreadPoolExecutor(1, thread_name_prefix="codec")
        self._thread = threading.Thread(target=self._decode_forever, name="decode", daemon=True)

    @classmethod
    def load(
        cls,
        checkpoint: str | Path,
        device: str = "cpu",
        cache_dir: str | None = None,
        revision: str | None = None,
        *,
        precision: Precision = "fp32",
        slots: int | None = None,
        exact: bool = False,
    ) -> BatchingEngine:
        """The engine for a hub id or a folder, its decode thread running.

        Raises ConfigurationError for a checkpoint that it does not run.
        """
        model = load_musicgen(checkpoint, device, cache_dir, revision)
        info = describe(model, digest_of(files_of(checkpoint, cache_dir, revision)), device)
        engine = cls(model, info, precision, slots, exact)
        engine.start()
        return engine

    def start(self) -> None:
        self._thread.start()

    def submit(self, piece: Piece) -> Handle:
        """Queue a piece. Raises InvalidRequest or InvalidMelody at once for one that this model cannot make."""
        check_piece(piece, self.info)
        frames = Frames(
            total=frames_of(piece, self.info),
            window=int(self._model.max_duration * self._model.frame_rate),
            stride=int(self._model.frame_rate * EXTEND_STRIDE_S),
        )
        handle = Handle(piece, count_steps(self._model, frames.total))
        with self._changed:
            if self._closed:
                raise Unavailable("the engine is closed; send the piece to another worker")
            self._handles.add(handle)
            self._conditioning.submit(self._prepare, handle, frames)
        return handle

    def close(self, timeout_s: float = 30.0) -> None:
        """Cancel what waits and what runs, and stop the threads. Wait for the handles first to lose nothing."""
        with self._changed:
            self._closed = True
            left = list(self._handles)
            self._changed.notify()
        for handle in left:
            handle.cancel()
        self._conditioning.shutdown(wait=True, cancel_futures=True)
        self._thread.join(timeout_s)
        self._codec.shutdown(wait=True)
        for handle in left:  # those that no thread had taken up: nobody else will end them
            handle.fail(Cancelled("the engine was closed"))

    # off the decode thread

    def _prepare(self, handle: Handle, frames: Frames) -> None:
        """Conditions of every window, then into the line for a slot."""
        if not handle.begin():
            return
        try:
            windows = frames.windows()
            starts = [offset / self.info.frame_rate_hz for offset, _, _ in windows] if len(windows) > 1 else [None]
            conditions = [self._conditioner.encode(handle.piece, start) for start in starts]
            handle.advance(0, "waiting")
        except BaseException as error:
            handle.fail(named(error) if isinstance(error, Exception) else error)
            return
        with self._changed:
            self._ready.append(Sequence(handle, frames, self._pattern, conditions))
            self._changed.notify()

    def _sound(self, sequence: Sequence, codes: torch.Tensor) -> None:
        """The next frames of a streamed piece. codes [codebooks, frames]"""
        try:
            if sequence.stream is None:
                sequence.stream = self._to_sound.stream()
            self._hand_out(sequence, sequence.stream.push(codes))
        except Exception as error:
            sequence.handle.fail(named(error))

    def _deliver(self, sequence: Sequence, codes: torch.Tensor) -> None:
        """All codes [codebooks, frames] -> the clip."""
        handle, rate_hz = sequence.handle, self.info.sample_rate_hz
        try:
            if sequence.stream is not None:
                self._hand_out(sequence, sequence.stream.finish())
                waveform = np.concatenate(sequence.chunks, axis=1)
            else:
                waveform = self._to_sound.decode(codes).cpu().numpy()
            samples = round(handle.piece.duration_s * rate_hz)
            warnings = warnings_for(handle.piece, self._pattern.special)
            seconds = time.monotonic() - sequence.began_at
            handle.finish(Clip(waveform[:, :samples], rate_hz, seconds, codes.numpy(), warnings))
        except Exception as error:
            handle.fail(named(error))

    def _hand_out(self, sequence: Sequence, chunk: torch.Tensor) -> None:
        """A chunk [channels, samples], without what lies past the piece's end."""
        have = sum(c.shape[1] for c in sequence.chunks)
        wanted = round(sequence.piece.duration_s * self.info.sample_rate_hz) - have
        if chunk.shape[1] and wanted > 0:
            sequence.chunks.append(chunk[:, :wanted].cpu().numpy())
            sequence.handle.add_chunk(sequence.chunks[-1])

    # the decode thread

    def _decode_forever(self) -> None:
        with torch.inference_mode():
            while self._admit():
                self._step()

    def _admit(self) -> bool:
        """Fill free slots; wait while there is nothing to do. False when the engine is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._running or self._closed)
            joining: list[Sequence] = []
            while self._ready and len(self._running) + len(joining) < self.slots:
                joining.append(self._ready.popleft())
            for waiting in self._ready:
                waiting.handle.touch()
        for sequence in joining:
            sequence.began_at = time.monotonic()
            if self._guarded(sequence, self._begin_window):
                self._running.append(sequence)
        return bool(self._running or not self._closed)

    def _begin_window(self, sequence: Sequence) -> None:
        sequence.handle.advance(sequence.decoded, "decoding")
        self._runner.prefill(sequence)

    def _step(self) -> None:
        if not self._running:
            return
        try:
            finite = self._runner.step(self._running).tolist()
        except Exception as error:
            log.exception("a decode step failed")
            for sequence in self._running:
                sequence.handle.fail(named(error))
            self._running = []
            return
        self._running = [s for s, ok in zip(self._running, finite, strict=True) if self._guarded(s, self._after, ok)]

    def _after(self, sequence: Sequence, finite: bool) -> bool:
        """What follows a step for one song; False when it leaves the batch."""
        if not finite:
            raise GenerationFailed("the model's logits are not numbers; try another seed or precision")
        sequence.handle.advance(sequence.decoded, "codec" if sequence.done else "decoding")
        if sequence.piece.stream and (fresh := sequence.fresh_codes(CHUNK_FRAMES)) is not None:
            self._codec.submit(self._sound, sequence, fresh)
        if sequence.done:
            codes = sequence.finished_codes()
            sequence.cache = sequence.cross = None
            self._codec.submit(self._deliver, sequence, codes)
            return False
        if sequence.window_done:
            self._begin_window(sequence)
        return True

    @staticmethod
    def _guarded(sequence: Sequence, do: object, *args: object) -> bool:
        """Whether the song goes on; its own errors, and its cancellation, end it and nobody else."""
        try:
            return do(sequence, *args) is not False  # type: ignore[operator]
        except Cancelled as error:
            sequence.handle.fail(error)
        except Exception as error:
            sequence.handle.fail(named(error))
        sequence.cache = sequence.cross = None
        return False
