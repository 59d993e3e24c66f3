"""Decode many requests at once on one model, by continuous batching (`ContinuousBatchingEngine`).

A request joins the batch at the next decode step and leaves it when it is done. `submit` returns at once. Text is
encoded in one thread, melodies and audio in another (preparation.py), the codec runs in a third (postprocess.py): so
the decode thread (scheduler.py) only decodes. An error of the device, or a dead decode thread, ends all requests and
the engine: `broken` says why.
"""

from __future__ import annotations

import logging
import threading
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from shared.errors import GenerationFailed, Unavailable
from worker.engine.core.arithmetic import set_arithmetic
from worker.engine.core.compute_lock import ComputeLock
from worker.engine.core.failures import running_fails
from worker.engine.core.handle import Cancelled, Handle
from worker.engine.core.streams import WorkStream
from worker.engine.core.types import EngineInfo, EngineRequest, OnProgress, Precision
from worker.engine.imports.audiocraft import MusicGen
from worker.engine.model.conditioning import Conditioner, Conditions
from worker.engine.model.continuation import known_frames
from worker.engine.model.decoder import Decoder
from worker.engine.model.delay_pattern import pattern_of
from worker.engine.model.info import describe, digest_of, files_of
from worker.engine.model.loading import load_musicgen
from worker.engine.model.memory import Capacity, return_free_memory
from worker.engine.model.precisions import usual, weights_dtype
from worker.engine.model.validation import check_request, frames_of
from worker.engine.model.windows import Frames, count_steps, frames_for
from worker.engine.native.choice import named_or_usual
from worker.engine.native.loader import all_kernels
from worker.engine.postprocess import Postprocessor, codec_peak
from worker.engine.preparation import Preparation
from worker.engine.runners.choose import RunnerKind, make_runner
from worker.engine.runners.sequence import Sequence
from worker.engine.scheduler import Scheduler
from worker.engine.selfcheck.compare import StepCheck, greedy_request
from worker.engine.selfcheck.due_check import DueCheck
from worker.engine.selfcheck.kept import KeptChecks, key_of

log = logging.getLogger(__name__)

ENGINE_VERSION = "4"
WARM_UP_S = 0.2  # of music


class ContinuousBatchingEngine:
    """Take requests from any thread, and decode them in one batch that changes from step to step."""

    def __init__(
        self,
        model: MusicGen,
        info: EngineInfo,
        precision: Precision | None = "fp32",
        slots: int | None = None,
        exact: bool = False,
        runner: RunnerKind | None = None,
        *,
        graphs: bool | None = None,
        kernels_name: str | None = None,
        consume: bool = False,
    ) -> None:
        set_arithmetic()
        self.broken: str | None = None  # why nothing can be decoded any more
        self._model = model
        self._pattern = pattern_of(model)
        self._work_stream = WorkStream(model.device)
        parameters = sum(p.numel() for part in (model.lm.transformer, model.lm.linears) for p in part.parameters())
        if precision is None:
            precision = usual(model.device.type, parameters, bool(all_kernels()))
        on_cpu = (runner or model.device.type) == "cpu"
        packed_for = named_or_usual(kernels_name, precision, parameters, exact) if on_cpu else None
        decoder = self._work_stream.run(lambda: Decoder(model.lm, precision, packed_for, consume=consume))
        capacity = Capacity.of(model, self._pattern.steps(int(model.max_duration * model.frame_rate)))
        options: dict[str, Any] = {"slots": slots, "exact": exact, "kind": runner, "graphs": graphs}
        options |= {"frame_s": 1 / model.frame_rate, "codec_bytes": self._work_stream.run(lambda: codec_peak(model))}
        self._runner = self._work_stream.run(lambda: make_runner(decoder, capacity, **options))
        self.info = self._described(info, precision, exact)
        self._conditioner = Conditioner(model)
        compute_lock = ComputeLock.on(model.device)
        codec = (model, self.info, self._break, compute_lock, exact, packed_for)
        self._postprocessor = self._work_stream.run(lambda: Postprocessor(*codec))
        self._scheduler = Scheduler(self._runner, self._postprocessor, self._break, compute_lock)
        self._handles: weakref.WeakSet[Handle] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False
        self._due_check: DueCheck | None = None
        self._preparation = Preparation(model, self._conditioner, self._enqueue, self._break)

    @classmethod
    def load(
        cls,
        checkpoint: str | Path,
        device: str = "cpu",
        cache_dir: str | None = None,
        revision: str | None = None,
        *,
        precision: Precision | None = "fp32",
        slots: int | None = None,
        exact: bool = False,
        runner: RunnerKind | None = None,
        graphs: bool | None = None,
        kernels_name: str | None = None,
        checks: KeptChecks | None = None,
    ) -> ContinuousBatchingEngine:
        """Load a checkpoint from a hub id or a folder, and start the decode thread.

        The runner follows the device, and graphs are captured on CUDA, unless that is said. Without a precision it is
        the usual one of this device and model; without a name, the kernels too. Raises ConfigurationError for a
        checkpoint that it does not run, LookupError for kernels that this CPU does not run, RunnerFailed. With
        `checks`, `check()` is due unless they have it.
        """
        source = (checkpoint, device, cache_dir, revision, weights_dtype(precision, device))
        model = WorkStream(torch.device(device)).run(lambda: load_musicgen(*source))
        info = describe(model, digest_of(files_of(checkpoint, cache_dir, revision)), device)
        options: dict[str, Any] = {"graphs": graphs, "kernels_name": kernels_name, "consume": True}
        with running_fails():
            asked = (info.checkpoint_digest, info.device, precision, exact, runner, graphs)
            due = DueCheck.of(model, pattern_of(model), checks, key_of(asked=asked, kernels=kernels_name))
            engine = cls(model, info, precision, slots, exact, runner, **options)
            engine._due_check = due
            return_free_memory()
            engine.start()
        return engine

    def _described(self, info: EngineInfo, precision: Precision, exact: bool) -> EngineInfo:
        """Name all that a clip depends on beside its request. The kernels say, too, at which rows int8 takes bytes."""
        kernels_name = self._runner.kernels_name
        version = f"{ENGINE_VERSION}{' exact' if exact else ''}, torch {torch.__version__}, kernels {kernels_name}"
        kv_precision = self._runner.kv_precision
        found = replace(info, engine="ostinato", version=version, precision=precision, kv_precision=kv_precision)
        return replace(found, kernels=kernels_name, runner=self._runner.name)

    @property
    def slots(self) -> int:
        """Return how many requests are decoded at once; fewer than at first once memory has run out."""
        return self._scheduler.slots

    @property
    def bytes_per_slot(self) -> int:
        """Return the most cache memory that one request takes."""
        return self._runner.bytes_per_slot

    @property
    def alive(self) -> bool:
        """Tell whether the decode thread runs and can decode."""
        return self.broken is None and self._scheduler.alive

    def start(self) -> None:
        """Start the decode thread; `load` has done it."""
        if self._model.device.type == "cuda":
            torch.cuda.synchronize(self._model.device)  # the weights are read on other streams from now on
        self._scheduler.start()

    def warm_up(self, progress: OnProgress) -> None:
        """Capture the runner's graphs and decode one short request, so that no user waits. Call before any `submit`."""
        captures = 0

        def captured(done: int, total: int) -> None:
            nonlocal captures
            captures = total
            progress(done, total + 1)

        self._scheduler.run(lambda: self._runner.warm_up(captured))
        self._scheduler.slots = min(self._scheduler.slots, self._runner.slots)
        progress(captures, captures + 1)
        self.submit(EngineRequest("calm piano", WARM_UP_S)).result()
        progress(captures + 1, captures + 1)

    def check(self) -> tuple[str, ...]:
        """Compare with audiocraft's own results, if that is due, and say what was found. Raises SelfCheckFailed."""
        due, self._due_check = self._due_check, None
        if due is None:
            return ()
        request = greedy_request(self.info.frame_rate_hz)
        conditions = self._work_stream.run(lambda: self._conditioner.encode(request))
        steps = StepCheck(self._runner, self.info, self._pattern, conditions, request)
        return due.run(steps, self._scheduler.run, self._postprocessor.decode)

    def submit(self, request: EngineRequest) -> Handle:
        """Queue a request. Raises InvalidRequest or InvalidMelody at once for one that this model cannot serve."""
        check_request(request, self.info)
        frames = frames_for(self._model, frames_of(request, self.info), known_frames(request, self.info))
        handle = Handle(request, count_steps(self._model, frames.total, frames.known))
        with self._lock:
            if self._closed:
                raise Unavailable(f"the engine is {self.broken or 'closed'}; send the piece to another worker")
            self._handles.add(handle)
            self._preparation.submit(handle, frames)
        return handle

    def close(self, timeout_s: float = 30.0) -> None:
        """Cancel what waits and what runs, and stop the threads. To drain, wait for the handles first."""
        with self._lock:
            self._closed = True
            left = list(self._handles)
        self._scheduler.stop()
        for handle in left:
            handle.cancel()
        self._preparation.close()
        self._scheduler.join(timeout_s)
        self._postprocessor.close()
        for handle in left:  # those that no thread had taken up: no one else will end them
            handle.fail(Cancelled("the engine was closed"))

    def _enqueue(
        self, handle: Handle, frames: Frames, conditions: list[Conditions], known: torch.Tensor | None
    ) -> None:
        """Let a prepared request wait for a slot."""
        self._scheduler.enqueue(Sequence(handle, frames, self._pattern, conditions, known))

    def _break(self, error: BaseException) -> None:
        """Close the engine for good and fail every open handle: only a new process can decode again."""
        log.critical("the engine is broken", exc_info=error)
        with self._lock:
            self._closed = True
            self.broken = f"broken ({type(error).__name__}: {error})"
            left = list(self._handles)
        self._scheduler.stop(error)
        for handle in left:
            handle.fail(GenerationFailed(f"the engine is {self.broken}; try again, on another worker"))
