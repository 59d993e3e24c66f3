"""Encode text and melody as the decoder's conditions: a prefix, and the text to cross-attend to.

Runs off the decode thread. Everything is computed by audiocraft's own conditioners and fuser, the conditional and the
null half in one batch, exactly as its `lm.generate` does for a single request: so padding, the repeated chroma and the
chroma of silence (the null rows of prepend models are not zero) are what they are there.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from worker.engine.core.types import EngineRequest
from worker.engine.imports.audiocraft import ClassifierFreeGuidanceDropout, MusicGen, WavCondition, convert_audio
from worker.engine.model.autocast import ThreadAutocast


@dataclass(frozen=True)
class Conditions:
    """Hold one window's conditions. Halves are (conditional, null), or the null one alone for an unconditioned one."""

    prefix: torch.Tensor  # [halves, positions, dim]; positions may be 0
    cross: torch.Tensor | None  # [source, dim] of the conditional half


class Conditioner:
    """Run one model's conditioners. Safe from any thread: only a tokenizer keeps state, while it is called."""

    def __init__(self, model: MusicGen) -> None:
        self._model = model
        self._autocast = ThreadAutocast(model.autocast)
        self._tokenizing = threading.Lock()

    def encode(self, request: EngineRequest, window_start_s: float | None = None) -> Conditions:
        """Encode a request's conditions. `window_start_s`: where one of several windows begins in the melody."""
        with torch.inference_mode(), self._autocast:
            if not request.conditioned:
                attributes, _ = self._model._prepare_tokens_and_attributes([None], None)
                return self._fuse(ClassifierFreeGuidanceDropout(p=1.0)(attributes), halves=1)
            melody: list[torch.Tensor | None] | None = None if request.melody is None else [self._melody(request)]
            attributes, _ = self._model._prepare_tokens_and_attributes([request.text or ""], None, melody)
            if window_start_s is not None and request.melody is not None:
                attributes[0].wav["self_wav"] = self._slice(attributes[0].wav["self_wav"], window_start_s)
            null = ClassifierFreeGuidanceDropout(p=1.0)(attributes)
            return self._fuse(attributes + null, halves=2)

    def _melody(self, request: EngineRequest) -> torch.Tensor:
        wave: npt.NDArray[np.float32] | None = request.melody
        assert wave is not None
        channels = self._model.audio_channels
        return convert_audio(
            torch.tensor(wave)[None], request.melody_rate_hz, self._model.sample_rate, channels
        )  # [channels, samples]

    def _slice(self, melody: Any, start_s: float) -> Any:
        """Cut a window's worth of melody from `start_s` on, repeated from its beginning where it is over."""
        rate_hz, length = self._model.sample_rate, int(melody.length.item())
        wanted = int(self._model.max_duration * rate_hz)
        indices = torch.arange(int(start_s * rate_hz), int(start_s * rate_hz) + wanted, device=melody.wav.device)
        return WavCondition(
            melody.wav[..., indices % length], torch.full_like(melody.length, wanted), [rate_hz], [None], [0.0]
        )

    def _fuse(self, attributes: Any, halves: int) -> Conditions:
        lm = self._model.lm
        with self._tokenizing:
            tokenized = lm.condition_provider.tokenize(attributes)
        conditions = lm.condition_provider(tokenized)
        nothing = torch.zeros(halves, 0, lm.dim, device=self._model.device, dtype=next(lm.parameters()).dtype)
        prefix, cross = lm.fuser(nothing, conditions)
        conditional = cross[0] if cross is not None and halves == 2 else None
        return Conditions(prefix, conditional)
