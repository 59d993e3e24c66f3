"""Encode text, melody and audio to continue for the decode thread, in threads of their own (`Preparation`).

There are two. Text takes milliseconds; separating a melody's sources, and encoding audio to continue, seconds: so who
brings audio goes to another thread than who brings text alone, and no song waits behind another one's melody. Neither
takes the compute lock: steps go on meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

from worker.engine.core.failures import is_device_error, public_error
from worker.engine.core.handle import Handle
from worker.engine.core.streams import WorkStream
from worker.engine.core.types import EngineRequest
from worker.engine.imports.audiocraft import MusicGen
from worker.engine.model.conditioning import Conditioner, Conditions
from worker.engine.model.continuation import encode_continuation
from worker.engine.model.windows import Frames

OnReady = Callable[[Handle, Frames, list[Conditions], torch.Tensor | None], None]


class PreparationThread:
    """Run one request after the other in a thread and on a stream of its own. Those that wait count as advancing."""

    def __init__(self, name: str, device: torch.device) -> None:
        self.work_stream = WorkStream(device)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: deque[Handle] = deque()

    def submit(self, handle: Handle, do: Callable[[], None]) -> None:
        """Call `do` after those that were submitted before."""
        self._waiting.append(handle)

        def run() -> None:
            self._waiting.popleft()
            self.touch()
            do()

        self._pool.submit(run)

    def touch(self) -> None:
        """Count those that wait as advanced, since the one before them advances."""
        for waiting in tuple(self._waiting):
            waiting.touch()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


class Preparation:
    """Prepare requests for their first step. `on_ready` and `on_break` are called from its threads."""

    def __init__(
        self, model: MusicGen, conditioner: Conditioner, on_ready: OnReady, on_break: Callable[[BaseException], None]
    ) -> None:
        self._model = model
        self._conditioner = conditioner
        self._on_ready, self._on_break = on_ready, on_break
        self._text = PreparationThread("conditioning", model.device)
        self._audio = PreparationThread("conditioning-audio", model.device)

    def submit(self, handle: Handle, frames: Frames) -> None:
        """Queue a request; one at a time calls this."""
        thread = self._audio if brings_audio(handle.request) else self._text
        thread.submit(handle, lambda: self._prepare(thread, handle, frames))

    def close(self) -> None:
        """End the threads after what they are at; requests that wait are left to the caller."""
        self._text.close()
        self._audio.close()

    def _prepare(self, thread: PreparationThread, handle: Handle, frames: Frames) -> None:
        """Encode the conditions of every window and the known codes, then hand them on."""
        if not handle.begin():
            return
        try:
            conditions, known = thread.work_stream.run(
                lambda: (
                    self._conditions(thread, handle, frames),
                    encode_continuation(self._model, handle.request, frames.known),
                )
            )
            handle.advance(0, "waiting")
        except BaseException as error:
            handle.fail(public_error(error) if isinstance(error, Exception) else error)
            if is_device_error(error):
                self._on_break(error)
            return
        self._on_ready(handle, frames, conditions, known)

    def _conditions(self, thread: PreparationThread, handle: Handle, frames: Frames) -> list[Conditions]:
        """Encode one set of conditions a window: only a melody's differ from window to window."""
        request, rate_hz = handle.request, self._model.frame_rate
        starts = [offset / rate_hz for offset, _, _ in frames.windows()]
        if request.melody is None or frames.total <= frames.window:
            return [self._conditioner.encode(request)] * max(1, len(starts))
        conditions = []
        for start in starts:
            conditions.append(self._conditioner.encode(request, start))
            handle.advance(0, "conditioning")  # a cancel ends it between two windows
            thread.touch()
        return conditions


def brings_audio(request: EngineRequest) -> bool:
    """Tell whether a request has a melody that is heard, or audio that is to be encoded."""
    return request.continue_from is not None or (request.melody is not None and request.conditioned)
