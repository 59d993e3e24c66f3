"""Compute the logits of given codes step by step, with our decoder and with audiocraft's. Asserts nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import torch

from worker.engine.core.handle import Handle
from worker.engine.core.types import EngineRequest, Precision
from worker.engine.imports.audiocraft import ClassifierFreeGuidanceDropout, MusicGen
from worker.engine.model.conditioning import Conditioner
from worker.engine.model.decoder import Decoder
from worker.engine.model.delay_pattern import pattern_of
from worker.engine.model.memory import Capacity
from worker.engine.native.loader import Kernels, kernels
from worker.engine.runners.cpu_runner import CpuRunner
from worker.engine.runners.sequence import Frames, Sequence


def our_logits(
    model: MusicGen,
    request: EngineRequest,
    codes: torch.Tensor,
    precision: Precision = "fp32",
    find_kernels: Callable[[], Kernels | None] = kernels,
) -> Iterator[torch.Tensor]:
    """Yield our logits after each step, nothing prefilled. codes [codebooks, frames] -> [halves, codebooks, card]"""
    decoder, pattern, frames = Decoder(model.lm, precision, find_kernels()), pattern_of(model), codes.shape[1]
    runner = CpuRunner(decoder, Capacity.of(model, pattern.steps(frames)), slots=1)
    conditions = Conditioner(model).encode(request)
    sequence = Sequence(Handle(request, frames), Frames(frames, frames, frames), pattern, [conditions])
    window_conditions = sequence.next_window()
    sequence.tokens = pattern.lay_out(frames, codes)
    found: list[torch.Tensor] = []
    forward = runner.stepper.forward

    def kept(x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        found.append(forward(x, positions))
        return found[-1]

    with patch.object(runner.stepper, "forward", kept):
        with torch.inference_mode():
            runner.prefill(sequence, window_conditions)
        while not sequence.window_done:
            with torch.inference_mode():  # never across a yield: the mode belongs to the thread, not to this generator
                runner.step([sequence])
            yield found.pop()


def audiocrafts_logits(model: MusicGen, request: EngineRequest, codes: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield audiocraft's logits, from its streaming language model, both halves in one batch, as in `generate`."""
    lm: Any = model.lm
    attributes, _ = model._prepare_tokens_and_attributes([request.prompt], None)
    attributes = attributes + ClassifierFreeGuidanceDropout(p=1.0)(attributes)
    with torch.no_grad():
        conditions = lm.condition_provider(lm.condition_provider.tokenize(attributes))
        pattern = lm.pattern_provider.get_pattern(codes.shape[1])
        sequence, _, _ = pattern.build_pattern_sequence(codes[None], lm.special_token_id)  # [1, codebooks, steps]
    with lm.streaming():
        for step in range(sequence.shape[2] - 1):
            now = sequence[:, :, step : step + 1].expand(2, -1, -1)
            with torch.no_grad():
                logits = lm(now, [], condition_tensors=conditions)[:, :, 0]
            yield logits


def largest_distance(ours: Iterator[torch.Tensor], theirs: Iterator[torch.Tensor]) -> tuple[int, float, float]:
    """Return the steps compared, the largest difference between two logits, and the largest logit."""
    steps, distance, largest = 0, 0.0, 0.0
    for own, other in zip(ours, theirs, strict=True):
        steps += 1
        distance = max(distance, float((own - other).abs().max()))
        largest = max(largest, float(other.abs().max()))
    return steps, distance, largest
