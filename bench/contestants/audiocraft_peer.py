"""Make clips with audiocraft's own `generate`, one call after the other, as a plain script does."""

from __future__ import annotations

from itertools import count

import torch

from bench.contestants.base import PROMPT, Contestant, Setup, StepClock
from bench.weights_layout import AUDIOCRAFT_FOLDER
from worker.engine.model.loading import load_musicgen


class AudiocraftPeer(Contestant):
    """Call `generate` in the main thread, with torch's default threads.

    Requests with parameters of their own cannot share a call, which belong to the model object there.
    """

    def __init__(self, setup: Setup) -> None:
        self._model = load_musicgen(setup.weights / AUDIOCRAFT_FOLDER, setup.device)
        self._seeds = count()

    def make(self, duration_s: float, clips: int) -> float | None:
        for _ in range(clips):
            clock = StepClock()
            self._model.set_generation_params(duration=duration_s)
            self._model.set_custom_progress_callback(clock.over)
            torch.manual_seed(next(self._seeds))
            audio = self._model.generate([PROMPT], progress=True)
            assert isinstance(audio, torch.Tensor)
            audio.cpu()
        return clock.milliseconds
