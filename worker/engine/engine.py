"""BatchingEngine: one model, one decode thread, many songs. A song joins at the next step and leaves when it is done.

`submit` returns at once. Text, melody and demucs run in one thread, the codec in another (postprocess.py), so that the
decode thread (scheduler.py) only decodes. An error of the device, or a dead decode thread, ends all songs and the
engine: `broken` says why.
"""

from __future__ import annotations

import logging
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from audiocraft.models import MusicGen

from shared.errors import GenerationFailed, Unavailable
from worker.engine.core.failures import is_of_the_device, named
from worker.engine.core.handle import Cancelled, Handle
from worker.engine.core.streams import WorkStream
from worker.engine.core.types import EngineRequest
from worker.engine.model.conditioning import Conditioner, Conditions
from worker.engine.model.continuation import encode_continuation, known_frames
from worker.engine.model.decoder import Decoder
from worker.engine.model.delay_pattern import DelayPattern
from worker.engine.model.info import EngineInfo, describe, digest_of, files_of
from worker.engine.model.linear import Precision
from worker.engine.model.loading import load_musicgen
from worker.engine.model.memory import Capacity, slot_bytes, slots_that_fit
from worker.engine.model.validation import check_piece, frames_of
from worker.engine.model.windows import Frames, count_steps, frames_for
from worker.engine.postprocess import Delivery
from worker.engine.runners.base import Progress, Runner
from worker.engine.runners.cpu_runner import CpuRunner
from worker.engine.runners.cuda_runner import CudaRunner
from worker.engine.runners.sequence import Sequence
from worker.engine.scheduler import DecodeLoop

log = logging.getLogger(__name__)

ENGINE_VERSION = "3"
WARM_UP_S = 0.2  # of music

RunnerKind = Literal["songs", "slots"]


class BatchingEngine:
    """`submit` from any thread."""

    def __init__(
        self,
        model: MusicGen,
        info: EngineInfo,
        precision: Precision = "fp32",
        slots: int | None = None,
        exact: bool = False,
        runner: RunnerKind | None = None,
    ) -> None:
        version = f"{ENGINE_VERSION}{' exact' if exact else ''}, torch {torch.__version__}"
        self.broken: str | None = None  # why nothing can be made any more
        self._model = model
        self._pattern = pattern_of(model)
        self._work_stream = WorkStream(model.device)
        self._runner = self._work_stream.run(
            lambda: self._runner_for(Decoder(model.lm, precision), slots, exact, runner)
        )
        kept = self._runner.kv_precision
        self.info = replace(info, engine="ostinato", version=version, precision=precision, kv_precision=kept)
        self._conditioner = Conditioner(model)
        self._delivery = self._work_stream.run(lambda: Delivery(model, self.info, apart=exact))
        self._loop = DecodeLoop(self._runner, self._delivery, self._break)
        self._handles: weakref.WeakSet[Handle] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False
        self._conditioning = ThreadPoolExecutor(1, thread_name_prefix="conditioning")

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
        runner: RunnerKind | None = None,
    ) -> BatchingEngine:
        """The engine for a hub id or a folder, its decode thread running. The runner is the device's own by default.

        Raises ConfigurationError for a checkpoint that it does not run.
        """
        model = WorkStream(torch.device(device)).run(lambda: load_musicgen(checkpoint, device, cache_dir, revision))
        info = describe(model, digest_of(files_of(checkpoint, cache_dir, revision)), device)
        engine = cls(model, info, precision, slots, exact, runner)
        engine.start()
        return engine

    def _runner_for(self, decoder: Decoder, slots: int | None, exact: bool, kind: RunnerKind | None) -> Runner:
        model = self._model
        room = Capacity.of(model, self._pattern.steps(int(model.max_duration * model.frame_rate)))
        slots = slots or slots_that_fit(slot_bytes(decoder, room), decoder.device)
        if (kind or ("songs" if decoder.device.type == "cpu" else "slots")) == "songs":
            return CpuRunner(decoder, room, slots, exact)
        return CudaRunner(decoder, room, slots, exact)

    @property
    def slots(self) -> int:
        """How many songs run at once; fewer than at first once memory has run out."""
        return self._loop.slots

    @property
    def bytes_per_slot(self) -> int:
        return self._runner.bytes_per_slot

    @property
    def alive(self) -> bool:
        """Whether the decode thread runs and can decode."""
        return self.broken is None and self._loop.alive

    def start(self) -> None:
        """Begin to take pieces up; `load` has done it."""
        if self._model.device.type == "cuda":
            torch.cuda.synchronize(self._model.device)  # the weights are read on other streams from now on
        self._loop.start()

    def warm_up(self, progress: Progress) -> None:
        """Pay the first songs' extra cost now: what the runner captures, and one short piece. Before any `submit`."""
        captures = 0

        def captured(done: int, total: int) -> None:
            nonlocal captures
            captures = total
            progress(done, total + 1)

        self._loop.run(lambda: self._runner.warm_up(captured))
        progress(captures, captures + 1)
        self.submit(EngineRequest("calm piano", WARM_UP_S)).result()
        progress(captures + 1, captures + 1)

    def submit(self, piece: EngineRequest) -> Handle:
        """Queue a piece. Raises InvalidRequest or InvalidMelody at once for one that this model cannot make."""
        check_piece(piece, self.info)
        frames = frames_for(self._model, frames_of(piece, self.info), known_frames(piece, self.info))
        handle = Handle(piece, count_steps(self._model, frames.total, frames.known))
        with self._lock:
            if self._closed:
                raise Unavailable(f"the engine is {self.broken or 'closed'}; send the piece to another worker")
            self._handles.add(handle)
            self._conditioning.submit(self._prepare, handle, frames)
        return handle

    def close(self, timeout_s: float = 30.0) -> None:
        """Cancel what waits and what runs, and stop the threads. Wait for the handles first to lose nothing."""
        with self._lock:
            self._closed = True
            left = list(self._handles)
        self._loop.stop()
        for handle in left:
            handle.cancel()
        self._conditioning.shutdown(wait=True, cancel_futures=True)
        self._loop.join(timeout_s)
        self._delivery.close()
        for handle in left:  # those that no thread had taken up: nobody else will end them
            handle.fail(Cancelled("the engine was closed"))

    # the conditioning thread

    def _prepare(self, handle: Handle, frames: Frames) -> None:
        """Conditions of every window, then into the line for a slot."""
        if not handle.begin():
            return
        try:
            conditions, known = self._work_stream.run(
                lambda: (
                    self._conditions(handle.piece, frames),
                    encode_continuation(self._model, handle.piece, frames.known),
                )
            )
            handle.advance(0, "waiting")
        except BaseException as error:
            handle.fail(named(error) if isinstance(error, Exception) else error)
            if is_of_the_device(error):
                self._break(error)
            return
        self._loop.put(Sequence(handle, frames, self._pattern, conditions, known))

    def _conditions(self, piece: EngineRequest, frames: Frames) -> list[Conditions]:
        """One for each window: only a melody's differ from window to window."""
        starts = [offset / self.info.frame_rate_hz for offset, _, _ in frames.windows()]
        if piece.melody is None or frames.total <= frames.window:
            return [self._conditioner.encode(piece)] * max(1, len(starts))
        return [self._conditioner.encode(piece, start) for start in starts]

    def _break(self, error: BaseException) -> None:
        """Nothing more can be made here. Whoever waits is told, and whoever runs this process should end it."""
        log.critical("the engine is broken", exc_info=error)
        with self._lock:
            self._closed = True
            self.broken = f"broken ({type(error).__name__}: {error})"
            left = list(self._handles)
        self._loop.stop(error)
        for handle in left:
            handle.fail(GenerationFailed(f"the engine is {self.broken}; try again, on another worker"))


def pattern_of(model: MusicGen) -> DelayPattern:
    provider: Any = model.lm.pattern_provider  # a delay pattern: the decoder refuses any other
    return DelayPattern(tuple(provider.delays), model.lm.card)
