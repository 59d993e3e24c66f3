"""An engine that runs a script for each request, and so misbehaves as a worker must survive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from worker.engine.core.handle import Cancelled, Handle
from worker.engine.core.types import Clip, EngineInfo, EngineRequest

STEPS = 10
INFO = EngineInfo("scripted", "1", "digest", "fp32", "fp32", "cpu", 32_000, 1, 50.0, 30.0, True, None)

Script = Callable[[Handle], np.ndarray]


def generate_tone(handle: Handle) -> np.ndarray:
    """Return one quick, audible second. [channels, samples]"""
    for step in range(1, STEPS + 1):
        handle.advance(step, "decoding")
    return np.sin(np.arange(32_000, dtype=np.float32) / 20)[None]


def generate_until_cancelled(handle: Handle) -> np.ndarray:
    """Advance until cancelled."""
    while True:
        handle.advance(1, "decoding")
        time.sleep(0.01)


def hang(handle: Handle) -> np.ndarray:
    """Never advance nor check for a cancel, as a stuck GPU kernel would."""
    time.sleep(3600)
    raise AssertionError


class ScriptedEngine:
    """Run `script` in a thread for each request. `requests` are all that were submitted."""

    def __init__(self, script: Script = generate_tone) -> None:
        self.script = script
        self.slots = 4
        self.alive = True
        self.requests: list[EngineRequest] = []
        self.handles: list[Handle] = []

    @property
    def info(self) -> EngineInfo:
        return INFO

    def warm_up(self, progress: Callable[[int, int], None]) -> None:
        progress(1, 1)

    def check(self) -> tuple[str, ...]:
        return ()

    def submit(self, request: EngineRequest) -> Handle:
        handle = Handle(request, STEPS)
        self.requests.append(request)
        self.handles.append(handle)
        threading.Thread(target=self._run, args=(handle,), daemon=True).start()
        return handle

    def close(self) -> None:
        for handle in self.handles:
            handle.cancel()

    def _run(self, handle: Handle) -> None:
        handle.begin()
        try:
            waveform = self.script(handle)
        except (Exception, Cancelled) as error:
            handle.fail(error)
        else:
            handle.finish(Clip(waveform, 32_000, 0.1, np.zeros((4, STEPS), np.int64)))
