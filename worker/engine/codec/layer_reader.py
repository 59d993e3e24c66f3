"""Read the decoder of audiocraft's `EncodecModel` into our layers, its weight normalisation multiplied out.

The model is left as it is. What cannot be laid out so is said by Unstreamable.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from worker.engine.codec.layers import Activation, Convolution, Kernel, Layer, Residual, Upsampling
from worker.engine.codec.recurrence import Recurrence
from worker.engine.imports.audiocraft import (
    EncodecModel,
    SEANetResnetBlock,
    StreamableConv1d,
    StreamableConvTranspose1d,
    StreamableLSTM,
)
from worker.engine.native.loader import Kernels

POINTWISE = (nn.ELU, nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Identity)
EDGES = ("constant", "reflect", "replicate")


class Unstreamable(Exception):
    """Say that the model has a layer that needs all frames at once, or that is not known here."""


def read_layers(model: EncodecModel, kernels: Kernels | None) -> tuple[Layer, ...]:
    """Read the decoder's layers in order, the LSTM to be run by those kernels. Raises Unstreamable."""
    decoder: Any = model.decoder
    if any(parameter.dtype != torch.float32 for parameter in decoder.parameters()):
        raise Unstreamable("its decoder is not in float32")
    with torch.no_grad():
        return tuple(_read(layer, i > 0, kernels) for i, layer in enumerate(decoder.model))


def _read(module: nn.Module, own_input: bool, kernels: Kernels | None) -> Layer:
    """Read one layer. `own_input`: nothing else reads what it is given, so it may be overwritten."""
    if isinstance(module, StreamableConv1d):
        return _convolution(module)
    if isinstance(module, StreamableConvTranspose1d):
        return _upsampling(module)
    if isinstance(module, StreamableLSTM):
        return _recurrence(module, kernels)
    if isinstance(module, SEANetResnetBlock):
        block = [_read(layer, i > 0, kernels) for i, layer in enumerate(module.block)]
        straight = module.shortcut
        return Residual(block, [] if isinstance(straight, nn.Identity) else [_read(straight, False, kernels)])
    if isinstance(module, POINTWISE):
        return Activation(module, own_input)
    raise Unstreamable(f"{type(module).__name__} is not a layer known here")


def _convolution(module: StreamableConv1d) -> Convolution:
    conv = module.conv.conv
    if conv.stride != (1,) or module.pad_mode not in EDGES:
        raise Unstreamable(f"a convolution has stride {conv.stride[0]} and {module.pad_mode} padding")
    weight = _weight(module.conv, conv)  # [out, in, taps]
    kernel = Kernel([tap.t().contiguous() for tap in weight.unbind(2)], _bias(conv), conv.dilation[0])
    right = 0 if module.causal else kernel.reach // 2
    return Convolution(kernel, kernel.reach - right, right, module.pad_mode)


def _upsampling(module: StreamableConvTranspose1d) -> Upsampling:
    conv = module.convtr.convtr
    taps, stride = conv.kernel_size[0], conv.stride[0]
    surplus = taps - stride
    if surplus < 0 or conv.dilation != (1,):
        raise Unstreamable("a transposed convolution leaves gaps")
    right = math.ceil(surplus * module.trim_right_ratio) if module.causal else surplus // 2
    blocks = math.ceil(taps / stride)  # so many frames reach one output
    weight = nn.functional.pad(_weight(module.convtr, conv), (0, blocks * stride - taps))  # [in, out, taps]
    matrices = [tap.transpose(1, 2).flatten(1).contiguous() for tap in weight.split(stride, dim=2)]
    return Upsampling(Kernel(matrices[::-1], _bias(conv).repeat(stride), 1), stride, surplus - right)


def _recurrence(module: StreamableLSTM, kernels: Kernels | None) -> Recurrence:
    lstm = module.lstm
    if lstm.bidirectional or lstm.proj_size or not lstm.bias:
        raise Unstreamable("its LSTM is not a plain one")
    return Recurrence.of(lstm, module.skip, kernels)


def _weight(normed: Any, conv: Any) -> Tensor:
    """Return a convolution's weight, its normalisation multiplied out once."""
    if conv.groups != 1 or normed.norm_type not in ("none", "weight_norm"):
        raise Unstreamable(f"a convolution has {conv.groups} groups and {normed.norm_type}")
    plain = normed.norm_type == "none"
    weight: Tensor = conv.weight if plain else torch._weight_norm(conv.weight_v, conv.weight_g, 0)
    return weight.detach()


def _bias(conv: Any) -> Tensor:
    """Return its bias, or zeros."""
    bias: Tensor = conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias
    return bias.detach().clone()
