"""The kernels in C decode a clip bitwise the same however it is cut; torch runs the layers that they lack."""

from __future__ import annotations

import pytest
import torch

from tests.worker.engine.codec.test_codec import SHAPES, encodec, random_codes, reference, streamed
from worker.engine.codec.codec import Codec
from worker.engine.codec.layers import TorchChain
from worker.engine.codec.native_chain import NativeChain
from worker.engine.codec.native_segment import MOST_KEPT
from worker.engine.native.loader import Kernels, all_kernels

CUTS = [[1] * 20, [50, 3, 50], [2, 97], [20, 50, 50]]
BY_TORCH = {"deep and dilated", "odd ratios", "another last layer"}


@pytest.fixture(params=all_kernels(), ids=lambda kernels: kernels.name)
def kernels(request: pytest.FixtureRequest) -> Kernels:
    each: Kernels = request.param
    return each


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
def test_a_stream_is_bitwise_the_whole_clip_by_every_kind_of_kernels(kernels: Kernels, mode: str) -> None:
    model = encodec(forget_bias=3.0, pad_mode=mode)
    codec, codes = Codec.prepare(model, kernels), random_codes(model, 130)
    whole = codec.decode(codes)
    assert (whole - reference(model, codes)).abs().max() < 1e-5
    for sizes in CUTS:
        assert torch.equal(streamed(codec, codes, sizes), whole)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_kernels_run_every_shape_but_those_that_torch_is_left_with(shape: str) -> None:
    codec = Codec.prepare(encodec(**SHAPES[shape]), all_kernels()[0])
    assert isinstance(codec._after, TorchChain if shape in BY_TORCH else NativeChain)


def test_calls_in_the_middle_of_clips_are_laid_out_once_and_no_number_of_clips_keeps_more() -> None:
    model = encodec()
    codec = Codec.prepare(model, all_kernels()[0])
    codes = random_codes(model, 400)
    for _ in range(2):  # the first makes room for the largest call, for which smaller ones are laid out anew
        streamed(codec, codes, [50] * 7)
    assert isinstance(codec._after, NativeChain)
    kept = [dict(segment._calls) for segment in codec._after._segments]
    streamed(codec, codes.flip(1), [50] * 7)
    assert [segment._calls for segment in codec._after._segments] == kept
    for frames in range(1, MOST_KEPT + 10):
        streamed(codec, codes[:, :frames], [])
    assert all(0 < len(segment._calls) <= MOST_KEPT for segment in codec._after._segments)
