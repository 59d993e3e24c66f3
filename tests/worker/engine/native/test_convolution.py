"""A packed kernel slides over frames as torch's convolution does, and gives a frame the same among any others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from worker.engine.native.convolution import PackedKernel
from worker.engine.native.linear import Arena
from worker.engine.native.loader import Kernels, all_kernels
from worker.engine.native.structures import Convolution

CLOSE = 1e-5
SHAPES = {  # inputs, outputs, taps, dilation
    "whole vectors": (64, 128, 3, 1),
    "outputs that fill up": (20, 37, 2, 1),
    "dilated": (24, 40, 3, 2),
    "few outputs, so that a row makes several frames": (12, 1, 7, 1),
    "frames that would collide in the cache": (1024, 8, 2, 1),
}


@pytest.fixture(params=all_kernels(), ids=lambda kernels: kernels.name)
def kernels(request: pytest.FixtureRequest) -> Kernels:
    each: Kernels = request.param
    return each


class Layer:
    """A kernel of random weights, by torch and packed."""

    def __init__(self, kernels: Kernels, shape: str) -> None:
        inputs, outputs, taps, self.dilation = SHAPES[shape]
        torch.manual_seed(2)
        self.taps = [torch.randn(inputs, outputs) / (inputs * taps) ** 0.5 for _ in range(taps)]
        self.bias = torch.randn(outputs)
        self.kernels = kernels
        self.packed = PackedKernel(kernels, self.taps, self.bias, self.dilation, Arena())

    def frames(self, count: int) -> Tensor:
        """Return random frames in which the kernel slides over so many."""
        return torch.randn(count + self.packed.reach, self.packed.inputs)

    def by_torch(self, x: Tensor) -> Tensor:
        weight = torch.stack(self.taps, dim=2).transpose(0, 1)
        return torch.nn.functional.conv1d(x.t()[None], weight, self.bias, dilation=self.dilation)[0].t()

    def __call__(self, x: Tensor, more: Tensor | None = None, alpha: float | None = None) -> Tensor:
        """Run it over frames, which are laid out as it wants them."""
        packed, count = self.packed, len(x) - self.packed.reach
        spread = torch.zeros(len(x) + packed.surplus, packed.pitch)
        spread[: len(x), : packed.inputs] = x
        added = None
        if more is not None:
            added = torch.zeros(count + packed.surplus, packed.outputs)
            added[:count] = more
        y = torch.empty(count + packed.surplus, packed.outputs)
        plain, activated = (y.data_ptr(), None) if alpha is None else (None, y.data_ptr())
        where = spread.data_ptr(), packed.pitch, plain, activated, None if added is None else added.data_ptr()
        self.kernels.convolve((Convolution * 1)(packed.layer(*where, count, alpha or 0.0)))
        return y[:count]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [1, 5, 100])
def test_it_gives_what_torch_gives_plain_added_and_activated(kernels: Kernels, shape: str, count: int) -> None:
    layer = Layer(kernels, shape)
    x = layer.frames(count)
    expected = layer.by_torch(x)
    more = torch.randn(expected.shape)
    assert (layer(x) - expected).abs().max() < CLOSE
    assert (layer(x, more) - expected - more).abs().max() < CLOSE
    assert (layer(x, alpha=0.5) - torch.nn.functional.elu(expected, 0.5)).abs().max() < CLOSE


@pytest.mark.parametrize("shape", SHAPES)
def test_a_frame_is_bitwise_the_same_among_any_others(kernels: Kernels, shape: str) -> None:
    layer = Layer(kernels, shape)
    x = layer.frames(60)
    whole = layer(x)
    for begin, end in ((0, 1), (7, 20), (20, 59), (31, 60)):
        assert torch.equal(layer(x[begin : end + layer.packed.reach]), whole[begin:end])


def test_few_outputs_fill_vectors_by_frames(kernels: Kernels) -> None:
    assert Layer(kernels, "few outputs, so that a row makes several frames").packed.frames * 2 >= kernels.group // 4
    assert Layer(kernels, "whole vectors").packed.frames == 1


@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_elu_is_right_for_inputs_of_every_size_and_what_is_no_number_stays_none(kernels: Kernels, alpha: float) -> None:
    packed = PackedKernel(kernels, [torch.ones(1, 1)], torch.zeros(1), 1, Arena())
    sizes = torch.logspace(-30, 30, 601)
    x = torch.cat((sizes, -sizes, torch.zeros(1)))
    x = torch.cat((x, x.new_zeros(-len(x) % packed.frames)))
    for value in (x, torch.full_like(x, torch.nan)):
        y = torch.empty_like(value)
        layer = packed.layer(value.data_ptr(), 1, None, y.data_ptr(), None, len(value), alpha)
        kernels.convolve((Convolution * 1)(layer))
        expected = torch.nn.functional.elu(value.double(), alpha)
        torch.testing.assert_close(y.double(), expected, rtol=2e-7, atol=2e-7, equal_nan=True)
