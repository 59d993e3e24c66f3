"""Convert transformers' MusicGen to OpenVINO's models: `python -m bench.contestants.openvino_conversion FROM TO`.

As OpenVINO's notebook on MusicGen does it: the text encoder, the codec's decoder, and the language model twice, for the
first step and for all others, which take every layer's keys and values as inputs and give them back with one more
position. The language model's weights are then compressed to 8 bits by NNCF, with its defaults.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nncf
import openvino
import torch
from transformers import DynamicCache, EncoderDecoderCache, MusicgenForConditionalGeneration

TEXT_ENCODER, FIRST_STEP, STEP, CODEC = "text_encoder", "first_step", "step", "codec"
PER_LAYER = 4  # keys and values, of the music and of the text
EXAMPLE_TOKENS, EXAMPLE_POSITIONS, EXAMPLE_FRAMES = 12, 2, 50  # few frames would take another way through the codec


class Step(torch.nn.Module):
    """Compute a step's logits and the new keys and values, as plain tensors."""

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self, tokens: torch.Tensor, text: torch.Tensor, text_mask: torch.Tensor, *past: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Return logits, then keys and values as in `past`, each [rows, heads, positions, head_dim].

        `tokens` are [rows x codebooks, 1], `text` [rows, text tokens, dim], its mask [rows, text tokens].
        """
        cache = self._cache(past, len(text), text.dtype)
        out = self.decoder(
            input_ids=tokens, encoder_hidden_states=text, encoder_attention_mask=text_mask, past_key_values=cache,
            use_cache=True,
        )  # fmt: skip
        layers = zip(cache.self_attention_cache.layers, cache.cross_attention_cache.layers, strict=True)
        return (
            out.logits,
            *(each for music, text in layers for each in (music.keys, music.values, text.keys, text.values)),
        )

    def _cache(self, past: tuple[torch.Tensor, ...], rows: int, dtype: torch.dtype) -> Any:
        """Put the tensors into the cache that the decoder wants; without any, into one of no positions."""
        config = self.decoder.config
        heads, head_dim = config.num_attention_heads, config.hidden_size // config.num_attention_heads
        past = past or (torch.zeros(rows, heads, 0, head_dim, dtype=dtype),) * (PER_LAYER * config.num_hidden_layers)
        halves: list[Any] = [DynamicCache(config=config), DynamicCache(config=config)]
        for number, half in enumerate(halves):
            for index, layer in enumerate(half.layers):
                at = PER_LAYER * index + 2 * number
                layer.keys, layer.values = past[at], past[at + 1]
                layer.dtype, layer.device, layer.is_initialized = dtype, past[at].device, True
        cache = EncoderDecoderCache(*halves)
        cache.is_updated = dict.fromkeys(range(config.num_hidden_layers), past[2].shape[2] > 0)
        return cache


class CodecDecoder(torch.nn.Module):
    """Decode codes [1, 1, codebooks, frames] to samples [1, 1, samples]."""

    def __init__(self, codec: Any) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        samples: torch.Tensor = self.codec.decode(codes, [None]).audio_values
        return samples


def convert(source: Path, target: Path) -> None:
    """Write the four models below `target`, or nothing."""
    library: Any = MusicgenForConditionalGeneration
    model = library.from_pretrained(source, attn_implementation="eager").eval()
    target.mkdir(parents=True)
    with torch.no_grad():
        tokens = torch.zeros(1, EXAMPLE_TOKENS, dtype=torch.int64)
        text_encoder = openvino.convert_model(model.text_encoder, example_input={"input_ids": tokens})
        openvino.save_model(text_encoder, target / f"{TEXT_ENCODER}.xml", compress_to_fp16=False)
        for name, past in ((FIRST_STEP, False), (STEP, True)):
            openvino.save_model(convert_step(model.decoder, past), target / f"{name}.xml", compress_to_fp16=False)
        codes = torch.zeros(1, 1, model.decoder.config.num_codebooks, EXAMPLE_FRAMES, dtype=torch.int64)
        codec = openvino.convert_model(CodecDecoder(model.audio_encoder), example_input=codes)
        openvino.save_model(codec, target / f"{CODEC}.xml", compress_to_fp16=False)


def convert_step(decoder: Any, with_past: bool) -> Any:
    """Convert the language model's step for two rows, guidance on, and compress its weights."""
    config = decoder.config
    dim, heads = config.hidden_size, config.num_attention_heads
    tokens = torch.full((2 * config.num_codebooks, 1), config.pad_token_id, dtype=torch.int64)
    inputs = [tokens, torch.zeros(2, EXAMPLE_TOKENS, dim), torch.ones(2, EXAMPLE_TOKENS, dtype=torch.int64)]
    if with_past:
        music, text = (torch.zeros(2, heads, length, dim // heads) for length in (EXAMPLE_POSITIONS, EXAMPLE_TOKENS))
        inputs += [music, music, text, text] * config.num_hidden_layers
    model = openvino.convert_model(Step(decoder), example_input=tuple(inputs))
    for port in model.inputs[3:]:
        port.get_node().set_partial_shape(openvino.PartialShape([2, heads, -1, dim // heads]))
    model.validate_nodes_and_infer_types()
    return nncf.compress_weights(model)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
