"""DecodeLoop: the decode thread. Owns which songs run and which wait for a slot; knows no conditions and no text.

How songs are stepped is a runner's business (base.py). Whose fault an error is:

* A song whose prefill raises, whose logits are not numbers, or that is cancelled, ends alone.
* When a step raises, each song is stepped alone, and those whose own step raises end.
* No memory for a song that joins: it waits until another leaves. None for a step: the younger half of the songs ends,
  to be tried again, and fewer are admitted from then on.
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
from worker.engine.core.failures import is_of_the_device, named
from worker.engine.postprocess import Delivery
from worker.engine.runners.base import Outcome, Runner
from worker.engine.runners.sequence import Sequence

log = logging.getLogger(__name__)


class DecodeLoop:
    """`put`, `run` and `stop` from any thread."""

    def __init__(self, runner: Runner, delivery: Delivery, on_break: Callable[[BaseException], None]) -> None:
        self.slots = runner.slots
        self._runner, self._delivery, self._on_break = runner, delivery, on_break
        self._ready: deque[Sequence] = deque()
        self._running: dict[Sequence, None] = {}  # in the order they joined
        self._errands: deque[tuple[Callable[[], None], Future[None]]] = deque()
        self._short_of_memory = False  # until a song leaves
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._decode_forever, name="decode", daemon=True)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def put(self, sequence: Sequence) -> None:
        """Into the line for a slot."""
        with self._changed:
            self._ready.append(sequence)
            self._changed.notify()

    def run(self, do: Callable[[], None]) -> None:
        """Something that only the decode thread may do; returns when it is done, raises what it raises."""
        errand: Future[None] = Future()
        with self._changed:
            if self._stopped:
                raise Unavailable("the decode thread has stopped")
            self._errands.append((do, errand))
            self._changed.notify()
        errand.result()

    def stop(self, error: BaseException | None = None) -> None:
        """End when nothing runs any more. With an error, who waits in `run` gets it."""
        with self._changed:
            self._stopped = True
            errands = list(self._errands) if error is not None else []
            self._changed.notify()
        for _, errand in errands:
            errand.set_exception(error)

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _decode_forever(self) -> None:
        try:
            with torch.inference_mode(), self._runner.context():
                while self._admit():
                    self._step()
        except BaseException as error:
            self._on_break(error)

    def _admit(self) -> bool:
        """Fill free slots; wait while there is nothing to do. False when stopped and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._running or self._errands or self._stopped)
            errands, joining = list(self._errands), list[Sequence]()
            self._errands.clear()
            while self._ready and not self._short_of_memory and self._runner.held + len(joining) < self.slots:
                joining.append(self._ready.popleft())
            for waiting in self._ready:
                waiting.handle.touch()
        for do, errand in errands:
            self._run_errand(do, errand)
        for sequence in joining:
            sequence.began_at = sequence.began_at or time.monotonic()
            self._running[sequence] = None
            self._guarded(sequence, self._begin_window)
        return bool(self._running or not self._stopped)

    def _run_errand(self, do: Callable[[], None], errand: Future[None]) -> None:
        try:
            do()
            errand.set_result(None)
        except Exception as error:
            errand.set_exception(error)
            if is_of_the_device(error):
                raise

    def _begin_window(self, sequence: Sequence) -> None:
        sequence.handle.advance(sequence.decoded, "decoding")
        if sequence.opening is None:
            sequence.opening = sequence.next_window()
        self._runner.prefill(sequence, sequence.opening)
        sequence.opening = None

    def _step(self) -> None:
        if not self._running:
            return
        try:
            outcomes = self._runner.step(self._running)
        except Exception as error:
            outcomes = self._survivors(error)
        for sequence, finite in outcomes:
            if sequence in self._running:  # it may have left since that step began
                self._guarded(sequence, self._after, finite)

    def _survivors(self, error: Exception) -> list[Outcome]:
        """A step raised: what comes of the songs when each is stepped alone. The device's own errors pass through."""
        songs = list(self._running)
        if is_of_the_device(error):
            raise error
        if isinstance(named(error), OutOfMemory):
            self._shrink(songs, error)
            return []
        if len(songs) == 1:
            self._end(songs[0], error)
            return []
        log.error("a step of %d songs failed; each is stepped alone", len(songs))
        outcomes: list[Outcome] = []
        for sequence in songs:
            try:
                outcomes += self._runner.step([sequence])
            except Exception as own:
                if is_of_the_device(own):
                    raise
                self._end(sequence, own)
        return outcomes

    def _shrink(self, songs: list[Sequence], error: Exception) -> None:
        """The younger half ends, to be tried again; from now on no more are admitted than are left."""
        staying = len(songs) // 2
        self.slots = max(1, staying)
        log.error("no memory for a step of %d songs; %d at most from now on", len(songs), self.slots)
        for sequence in songs[staying:]:
            self._end(sequence, error)
        self._tidy()

    def _after(self, sequence: Sequence, finite: bool) -> None:
        """What follows a step for one song."""
        if not finite:
            raise GenerationFailed("the model's logits are not numbers; try another seed or precision")
        sequence.handle.advance(sequence.decoded, "codec" if sequence.done else "decoding")
        self._delivery.after_step(sequence)
        if sequence.done:
            self._leave(sequence)
            self._delivery.finish(sequence)
        elif sequence.window_done:
            self._begin_window(sequence)

    def _guarded(self, sequence: Sequence, do: Callable[..., None], *args: object) -> None:
        """A song's own errors, and its cancellation, end it and nobody else."""
        try:
            do(sequence, *args)
        except Exception as error:
            if is_of_the_device(error):
                raise
            self._end(sequence, error)

    def _end(self, sequence: Sequence, error: Exception) -> None:
        """The song leaves with its error; one for which there is no memory waits while others can make room."""
        self._leave(sequence)
        known = named(error)
        if isinstance(known, OutOfMemory) and self._running and sequence.opening is not None:
            self._short_of_memory = True
            self._tidy()
            with self._changed:
                self._ready.appendleft(sequence)
        else:
            sequence.handle.fail(known)

    def _leave(self, sequence: Sequence) -> None:
        self._running.pop(sequence, None)
        self._short_of_memory = False
        self._runner.release(sequence)

    def _tidy(self) -> None:
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
