"""Make clips with transformers' MusicgenForConditionalGeneration, plain or with its decoder under `torch.compile`."""

from __future__ import annotations

from itertools import count
from typing import Any

import torch
import transformers
from transformers import AutoTokenizer, LogitsProcessorList, MusicgenForConditionalGeneration

from bench.contestants.base import PROMPT, Contestant, Setup, StepClock
from bench.weights_layout import TRANSFORMERS_FOLDER

GUIDANCE = 3.0  # audiocraft's default, and ours


class TransformersPeer(Contestant):
    """Call `generate` as the library's documentation of MusicGen does."""

    def __init__(self, setup: Setup) -> None:
        transformers.logging.set_verbosity_error()
        folder = setup.weights / TRANSFORMERS_FOLDER
        self._device = setup.device
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        library: Any = MusicgenForConditionalGeneration
        dtype = torch.float32 if setup.device == "cpu" else torch.float16  # on a GPU as its users do
        self._model = library.from_pretrained(folder, dtype=dtype).to(setup.device).eval()
        self._seeds = count()

    def make(self, duration_s: float, clips: int) -> float | None:
        config = self._model.config
        tokens = round(duration_s * config.audio_encoder.frame_rate) + config.decoder.num_codebooks - 1
        for _ in range(clips):
            clock, steps = StepClock(), count(1)

            def over(_: torch.Tensor, scores: torch.Tensor, clock: StepClock = clock, steps: Any = steps) -> Any:
                clock.over(next(steps))
                return scores

            inputs = self._tokenizer([PROMPT], padding=True, return_tensors="pt").to(self._device)
            torch.manual_seed(next(self._seeds))
            self._model.generate(
                **inputs, do_sample=True, guidance_scale=GUIDANCE, max_new_tokens=tokens,
                logits_processor=LogitsProcessorList([over]),
            ).cpu()  # fmt: skip
        return clock.milliseconds


class CompiledTransformersPeer(TransformersPeer):
    """The same, its decoder compiled for shapes that grow with each step, as its cache does."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._model.decoder.forward = torch.compile(self._model.decoder.forward, dynamic=True)
