"""Admit waiting sequences to free slots and step the running ones, in the decode thread (`Scheduler`).

How sequences are stepped is a runner's business (runners/base.py). Which requests an error ends:

* A sequence whose prefill raises, whose logits are not numbers, or that is cancelled, ends alone.
* When a step raises, each sequence is stepped alone, and those whose own step raises end.
* No memory for a sequence that joins: it waits until another leaves. None for a step: the younger half of the batch
  ends, to be tried again, and fewer are admitted from then on.
* An error of the device, or any other that gets out of the thread, is `on_break`'s.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

import torch

from shared.errors import GenerationFailed, OutOfMemory, Unavailable
from worker.engine.core.compute_lock import ComputeLock
from worker.engine.core.failures import is_device_error, public_error
from worker.engine.postprocess import Postprocessor
from worker.engine.runners.base import Outcome, Runner
from worker.engine.runners.sequence import Sequence

log = logging.getLogger(__name__)


class Scheduler:
    """Own the decode thread, and which sequences run or wait. `enqueue`, `run` and `stop` from any thread."""

    def __init__(
        self,
        runner: Runner,
        postprocessor: Postprocessor,
        on_break: Callable[[BaseException], None],
        compute_lock: ComputeLock,
    ) -> None:
        self.slots = runner.slots
        self._compute_lock = compute_lock
        self._runner, self._postprocessor, self._on_break = runner, postprocessor, on_break
        self._ready: deque[Sequence] = deque()
        self._running: dict[Sequence, None] = {}  # in the order they joined
        self._calls: deque[tuple[Callable[[], None], Future[None]]] = deque()
        self._short_of_memory = False  # until a sequence leaves
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._decode_forever, name="decode", daemon=True)

    @property
    def alive(self) -> bool:
        """Tell whether the decode thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the decode thread."""
        self._thread.start()

    def enqueue(self, sequence: Sequence) -> None:
        """Queue a sequence for a slot."""
        with self._changed:
            self._ready.append(sequence)
            self._changed.notify()

    def run(self, do: Callable[[], None]) -> None:
        """Call `do` in the decode thread; return when it is done, and raise what it raises."""
        future: Future[None] = Future()
        with self._changed:
            if self._stopped:
                raise Unavailable("the decode thread has stopped")
            self._calls.append((do, future))
            self._changed.notify()
        future.result()

    def stop(self, error: BaseException | None = None) -> None:
        """Stop the thread once no sequence runs. With an error, callers that wait in `run` get it."""
        with self._changed:
            self._stopped = True
            calls = list(self._calls) if error is not None else []
            self._changed.notify()
        for _, future in calls:
            future.set_exception(error)

    def join(self, timeout_s: float) -> None:
        """Wait until the thread has ended, at most that long."""
        self._thread.join(timeout_s)

    def _decode_forever(self) -> None:
        try:
            with torch.inference_mode(), self._runner.context():
                while self._admit():
                    self._step()
        except BaseException as error:
            self._on_break(error)

    def _admit(self) -> bool:
        """Admit waiting sequences to free slots; wait while there is nothing to do. False when stopped and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._running or self._calls or self._stopped)
            calls, joining = list(self._calls), list[Sequence]()
            self._calls.clear()
            while self._ready and not self._short_of_memory and self._runner.active + len(joining) < self.slots:
                joining.append(self._ready.popleft())
            for waiting in self._ready:
                waiting.handle.touch()
        for do, future in calls:
            self._run_call(do, future)
        for sequence in joining:
            sequence.began_at = sequence.began_at or time.monotonic()
            self._running[sequence] = None
            self._guarded(sequence, self._begin_window)
        return bool(self._running or not self._stopped)

    def _run_call(self, do: Callable[[], None], future: Future[None]) -> None:
        try:
            do()
            future.set_result(None)
        except Exception as error:
            future.set_exception(error)
            if is_device_error(error):
                raise

    def _begin_window(self, sequence: Sequence) -> None:
        sequence.handle.advance(sequence.decoded, "decoding")
        if sequence.pending_conditions is None:
            sequence.pending_conditions = sequence.next_window()
        with self._compute_lock:
            self._runner.prefill(sequence, sequence.pending_conditions)
        sequence.pending_conditions = None

    def _step(self) -> None:
        if not self._running:
            return
        try:
            with self._compute_lock:
                outcomes = self._runner.step(self._running)
        except Exception as error:
            outcomes = self._step_individually(error)
        for sequence, finite in outcomes:
            if sequence in self._running:  # it may have left since that step began
                self._guarded(sequence, self._after_step, finite)

    def _step_individually(self, error: Exception) -> list[Outcome]:
        """Step each sequence alone after a step raised, and return the outcomes. Raises the device's own errors."""
        sequences = list(self._running)
        if is_device_error(error):
            raise error
        if isinstance(public_error(error), OutOfMemory):
            self._shed_half(sequences, error)
            return []
        if len(sequences) == 1:
            self._end_sequence(sequences[0], error)
            return []
        log.error("a step of %d sequences failed; each is stepped alone", len(sequences))
        outcomes: list[Outcome] = []
        for sequence in sequences:
            try:
                with self._compute_lock:
                    outcomes += self._runner.step([sequence])
            except Exception as own_error:
                if is_device_error(own_error):
                    raise
                self._end_sequence(sequence, own_error)
        return outcomes

    def _shed_half(self, sequences: list[Sequence], error: Exception) -> None:
        """End the younger half, to be tried again; from now on no more are admitted than are left."""
        staying = len(sequences) // 2
        self.slots = max(1, staying)
        log.error("no memory for a step of %d sequences; %d at most from now on", len(sequences), self.slots)
        for sequence in sequences[staying:]:
            self._end_sequence(sequence, error)
        self._free_memory()

    def _after_step(self, sequence: Sequence, finite: bool) -> None:
        """Report a sequence's step, and finish it or begin its next window. Raises for logits that are not numbers."""
        if not finite:
            raise GenerationFailed("the model's logits are not numbers; try another seed or precision")
        sequence.handle.advance(sequence.decoded, "codec" if sequence.done else "decoding")
        self._postprocessor.after_step(sequence)
        if sequence.done:
            self._remove(sequence)
            self._postprocessor.finish(sequence)
        elif sequence.window_done:
            self._begin_window(sequence)

    def _guarded(self, sequence: Sequence, do: Callable[..., None], *args: object) -> None:
        """Run `do` for one sequence; its own errors, and its cancellation, end that sequence alone."""
        try:
            do(sequence, *args)
        except Exception as error:
            if is_device_error(error):
                raise
            self._end_sequence(sequence, error)

    def _end_sequence(self, sequence: Sequence, error: Exception) -> None:
        """Remove a sequence with its error; one that got no memory waits again while others may free some."""
        self._remove(sequence)
        known = public_error(error)
        if isinstance(known, OutOfMemory) and self._running and sequence.pending_conditions is not None:
            self._short_of_memory = True
            self._free_memory()
            with self._changed:
                self._ready.appendleft(sequence)
        else:
            sequence.handle.fail(known)

    def _remove(self, sequence: Sequence) -> None:
        self._running.pop(sequence, None)
        self._short_of_memory = False
        self._runner.release(sequence)

    def _free_memory(self) -> None:
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
