"""Build random codecs of few filters, codes for them, and what audiocraft makes of these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import EncodecConfig
from transformers import EncodecModel as HFEncodecModel

from tools.random_checkpoint import codec_config
from worker.engine.codec.codec import Codec
from worker.engine.imports.audiocraft import CompressionModel, HFEncodecCompressionModel, builders
from worker.engine.imports.omegaconf import OmegaConf

SAMPLES = 640  # of one frame
CLOSE = 1e-5


def encodec(forget_bias: float = 0.0, **seanet: Any) -> CompressionModel:
    """A random EnCodec of few filters, about as loud as music."""
    torch.manual_seed(3)
    config = codec_config()
    config["seanet"].update(seanet)
    config["channels"] = config["encodec"]["channels"] = config["seanet"]["channels"]
    model: Any = builders.get_compression_model(OmegaConf.create(config)).eval()
    for layer in model.quantizer.vq.layers:
        layer._codebook.embed.normal_()
        layer._codebook.inited.fill_(1.0)
    with torch.no_grad():
        for name, parameter in model.decoder.named_parameters():
            if "lstm.bias_ih" in name:
                parameter.chunk(4)[1].add_(forget_bias)
        last = [layer for layer in model.decoder.model if hasattr(layer, "conv")][-1].conv.conv
        scale = last.weight_g if hasattr(last, "weight_g") else last.weight
        scale.mul_(0.2 / model.decode(random_codes(model, 50)[None]).std())
    built: CompressionModel = model
    return built


def random_codes(model: CompressionModel, frames: int, seed: int = 0) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    return torch.randint(model.cardinality, (model.num_codebooks, frames), generator=source)


def reference(model: CompressionModel, codes: Tensor) -> Tensor:
    with torch.no_grad():
        waveform: Tensor = model.decode(codes[None], None)[0]
    assert waveform.std() > 0.01  # a silent reference would agree with anything
    return waveform


def streamed(codec: Codec, codes: Tensor, sizes: Sequence[int]) -> Tensor:
    """Join the stream of codes cut in those sizes, the rest as the last."""
    stream, rest = codec.stream(), codes.shape[1] - sum(sizes)
    chunks = [stream.push(part) for part in codes.split([*sizes, rest], dim=1)]
    return torch.cat([*chunks, stream.finish()], dim=1)


def max_difference(one: Tensor, other: Tensor) -> float:
    assert one.shape == other.shape
    return float((one - other).abs().max())


def a_transformers_encodec() -> CompressionModel:
    torch.manual_seed(5)
    shape: dict[str, Any] = {
        "num_filters": 4,
        "hidden_size": 16,
        "codebook_size": 32,
        "upsampling_ratios": [8, 5, 4, 4],
    }
    config = EncodecConfig(target_bandwidths=[1.0], sampling_rate=32_000, codebook_dim=16, normalize=False, **shape)
    model: Any = HFEncodecModel(config)
    for layer in model.quantizer.layers:
        layer.codebook.embed.normal_()
    return HFEncodecCompressionModel(model).eval()
