"""Make clips with transformers' `generate` over OpenVINO's models, as OpenVINO's notebook on MusicGen does it."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from types import MethodType
from typing import Any

import openvino
import torch
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutputWithCrossAttentions

from bench.contestants.base import Setup
from bench.contestants.openvino_conversion import CODEC, FIRST_STEP, STEP, TEXT_ENCODER
from bench.contestants.transformers_peer import TransformersPeer
from bench.weights_layout import OPENVINO_FOLDER, TRANSFORMERS_FOLDER

CONVERSION = "bench.contestants.openvino_conversion"
Decoded = namedtuple("Decoded", "audio_values")


class TextEncoder(torch.nn.Module):
    """Stand where the pipeline has its text encoder."""

    def __init__(self, compiled: Any, config: Any) -> None:
        super().__init__()
        self.compiled, self.config = compiled, config

    def forward(self, input_ids: torch.Tensor, **_: Any) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=torch.from_numpy(self.compiled(input_ids)[0]))


class Decoder(torch.nn.Module):
    """Stand where the pipeline has its language model. A cache goes from step to step as a tuple of arrays."""

    def __init__(self, first_step: Any, step: Any, decoder: Any) -> None:
        super().__init__()
        self.first_step, self.step = first_step, step
        self.config, self.num_codebooks = decoder.config, decoder.num_codebooks
        self.apply_delay_pattern_mask = type(decoder).apply_delay_pattern_mask  # neither holds the weights
        self.build_delay_pattern_mask = MethodType(
            type(decoder).build_delay_pattern_mask, self
        )  # its own holds weights

    def forward(
        self,
        input_ids: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        encoder_attention_mask: torch.Tensor,
        past_key_values: Any = None,
        **_: Any,
    ) -> CausalLMOutputWithCrossAttentions:
        past = past_key_values if isinstance(past_key_values, tuple) else ()
        given = (input_ids[:, -1:], encoder_hidden_states, encoder_attention_mask, *past)
        logits, *past_after = (self.step if past else self.first_step)(given).to_tuple()
        kept: Any = tuple(past_after)  # arrays, where the library has a cache of tensors
        return CausalLMOutputWithCrossAttentions(logits=torch.from_numpy(logits), past_key_values=kept)


class Codec(torch.nn.Module):
    """Stand where the pipeline has its codec, of which it only decodes."""

    def __init__(self, compiled: Any, config: Any) -> None:
        super().__init__()
        self.compiled, self.config = compiled, config

    def decode(self, codes: torch.Tensor, audio_scales: Any) -> Decoded:
        return Decoded(torch.from_numpy(self.compiled(codes)[0]))


class OpenvinoPeer(TransformersPeer):
    """Compile the converted models for the CPU with OpenVINO's defaults, and put them into the pipeline."""

    def __init__(self, setup: Setup) -> None:
        folder = setup.weights / OPENVINO_FOLDER
        if not folder.exists():
            convert(setup.weights / TRANSFORMERS_FOLDER, folder)
        super().__init__(setup)
        core, model = openvino.Core(), self._model
        first_step, step, text, codec = (
            core.compile_model(folder / f"{name}.xml", "CPU") for name in (FIRST_STEP, STEP, TEXT_ENCODER, CODEC)
        )
        model.text_encoder = TextEncoder(text, model.text_encoder.config)
        model.decoder = Decoder(first_step, step, model.decoder)
        model.audio_encoder = Codec(codec, model.audio_encoder.config)
        gc.collect()


def convert(source: Path, target: Path) -> None:
    """Convert in a process of its own, as users do it once and not at each start."""
    unfinished = target.with_name(f"{target.name}.unfinished")
    subprocess.run([sys.executable, "-m", CONVERSION, str(source), str(unfinished)], check=True)
    unfinished.rename(target)
