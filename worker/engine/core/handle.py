"""Hand one request's progress, chunks and clip from the engine's threads to the caller's (`Handle`). No torch.

Two sides, kept apart below. The caller's side reads and cancels, from any thread. The engine's side reports: it
takes the request up, advances it, and ends it once, with a clip, an error or a cancellation; later ends are ignored.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from worker.engine.core.types import Clip, EngineRequest, Progress, Stage


class Cancelled(Exception):
    """Say that the request was cancelled: there is no clip, and nothing failed."""


class Handle:
    """Follow one submitted request from any thread."""

    def __init__(self, request: EngineRequest, steps: int) -> None:
        self.request = request
        self._changed = threading.Condition()
        self._progress = Progress(0, steps, "waiting")
        self._advanced_at = time.monotonic()
        self._cancel_requested = False
        self._chunks: list[npt.NDArray[np.float32]] = []  # each [channels, samples]
        self._clip: Clip | None = None
        self._error: BaseException | None = None
        self._done = False

    # The caller's side.

    @property
    def progress(self) -> Progress:
        """Return the decode steps done and the stage."""
        return self._progress

    @property
    def advanced_at(self) -> float:
        """Return when the request last advanced, in monotonic seconds. While it waits, what it waits for counts."""
        return self._advanced_at

    @property
    def done(self) -> bool:
        """Tell whether the request has ended, with a clip or an error."""
        return self._done

    def cancel(self) -> None:
        """Cancel the request: at once while it waits, else at the next decode step. After the end it does nothing."""
        with self._changed:
            self._cancel_requested = True
            if self._progress.stage == "waiting":
                self._end(error=Cancelled("cancelled before it began"))

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the request's end, at most that long, and tell whether it has ended."""
        with self._changed:
            return self._changed.wait_for(lambda: self.done, timeout_s)

    def result(self) -> Clip:
        """Wait for the clip and return it. Raises the request's error, or Cancelled."""
        self.wait()
        if self._error is not None:
            raise self._error
        assert self._clip is not None, "the clip was taken"
        return self._clip

    def take(self) -> Clip:
        """Return the clip as `result` does, once: the handle drops it, so its memory ends with the caller's own use."""
        clip = self.result()
        with self._changed:
            self._clip, self._chunks = None, []
        return clip

    def chunks(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the waveform in order, each chunk [channels, samples] once it is there. Raises as `result` does."""
        at = 0
        while True:
            with self._changed:
                while not self.done and len(self._chunks) == at:
                    self._changed.wait()
                fresh, ended = self._chunks[at:], self.done
            yield from fresh
            at += len(fresh)
            if ended:
                if self._error is not None:
                    raise self._error
                return

    def chunks_from(self, at: int, timeout_s: float) -> list[npt.NDArray[np.float32]]:
        """Return the chunks from number `at` on, once there is one or the request has ended; none after the timeout."""
        with self._changed:
            self._changed.wait_for(lambda: self.done or len(self._chunks) > at, timeout_s)
            return self._chunks[at:]

    # The engine's side.

    def begin(self) -> bool:
        """Take the request up; False when it ended while it waited."""
        with self._changed:
            if self.done:
                return False
            self._advance(0, "conditioning")
            return True

    def touch(self) -> None:
        """Count a waiting request as advanced, since the one before it advances."""
        self._advanced_at = time.monotonic()

    def advance(self, step: int, stage: Stage) -> None:
        """Report that many steps done. Raises Cancelled when the caller has cancelled: let it pass through."""
        with self._changed:
            self._advance(step, stage)
        if self._cancel_requested:
            raise Cancelled(f"cancelled at step {step} of {self._progress.steps}")

    def add_chunk(self, waveform: npt.NDArray[np.float32]) -> None:
        """Hand over the next chunk of the waveform, [channels, samples], before the clip is complete."""
        with self._changed:
            self._chunks.append(waveform)
            self._changed.notify_all()

    def finish(self, clip: Clip) -> None:
        """End with the complete clip; it is the only chunk if none came before."""
        with self._changed:
            if not self.done:
                self._chunks = self._chunks or [clip.waveform]
                self._advance(self._progress.steps, "done")
                self._end(clip=clip)

    def fail(self, error: BaseException) -> None:
        """End with an error, which `result` raises."""
        with self._changed:
            self._end(error=error)

    def _advance(self, step: int, stage: Stage) -> None:
        self._progress = Progress(step, self._progress.steps, stage)
        self._advanced_at = time.monotonic()

    def _end(self, clip: Clip | None = None, error: BaseException | None = None) -> None:
        if not self._done:
            self._clip, self._error, self._done = clip, error, True
            self._changed.notify_all()
