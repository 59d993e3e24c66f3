"""Compute with audiocraft's own modules, in float32, what an engine is compared with (`Reference`).

It is computed before the float32 weights go, and is small: the logits of some steps, and a second of samples.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass

import torch

from worker.engine.core.failures import is_out_of_memory
from worker.engine.imports.audiocraft import ClassifierFreeGuidanceDropout, MusicGen
from worker.engine.model.delay_pattern import DelayPattern

log = logging.getLogger(__name__)

PROMPT = "calm piano"
FRAMES = 50  # given codes: a second
KNOWN = 8  # of these frames are prefilled; the steps after them are compared
STEPS = 20


@dataclass(frozen=True)
class Reference:
    """Hold given codes, and what audiocraft makes of them. All on the CPU."""

    codes: torch.Tensor  # [codebooks, FRAMES]
    # [2 (conditional, null), codebooks, STEPS, card] float32; None where there was no memory for it
    logits: torch.Tensor | None
    waveform: torch.Tensor  # [channels, samples]

    @classmethod
    @torch.inference_mode()
    def of(cls, model: MusicGen, pattern: DelayPattern) -> Reference:
        """Compute it by a loaded model, whose weights are as they were afterwards."""
        shape = len(pattern.delays), FRAMES
        codes = torch.randint(model.lm.card, shape, generator=torch.Generator().manual_seed(0))
        return cls(codes, _logits_or_none(model, pattern.lay_out(FRAMES, codes)), _waveform(model, codes))


def _logits_or_none(model: MusicGen, tokens: torch.Tensor) -> torch.Tensor | None:
    try:
        return _logits(model, tokens)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        log.warning("no memory for float32 weights: logits are not compared with audiocraft's (%s)", error)
        return None


def _logits(model: MusicGen, tokens: torch.Tensor) -> torch.Tensor:
    """Return audiocraft's logits for both halves. tokens [codebooks, steps], as the delay pattern lays them out."""
    lm = model.lm
    read = tokens[None, :, : KNOWN + STEPS].expand(2, -1, -1).to(model.device)
    attributes, _ = model._prepare_tokens_and_attributes([PROMPT], None)
    attributes = attributes + ClassifierFreeGuidanceDropout(p=1.0)(attributes)
    dtype = next(lm.parameters()).dtype
    lm.float()  # what is in half precision comes back from it unchanged
    try:
        with torch.autocast(model.device.type, enabled=False):
            conditions = lm.condition_provider(lm.condition_provider.tokenize(attributes))
            logits: torch.Tensor = lm(read, [], conditions)
    finally:
        lm.to(dtype)
    return logits[:, :, KNOWN:].float().cpu()


def _waveform(model: MusicGen, codes: torch.Tensor) -> torch.Tensor:
    """Decode by audiocraft's own codec, on the CPU: a GPU may round what it multiplies."""
    codec = model.compression_model
    if next(codec.parameters()).device.type != "cpu":
        codec = copy.deepcopy(codec).cpu()
    waveform: torch.Tensor = codec.decode(codes[None], None)[0].float()
    return waveform
