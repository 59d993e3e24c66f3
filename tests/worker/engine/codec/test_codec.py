"""The codec decodes as audiocraft's own does, for every shape, and one clip alone as in company."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.worker.engine.codec.random_codecs import (
    CLOSE,
    a_transformers_encodec,
    encodec,
    max_difference,
    random_codes,
    reference,
    streamed,
)
from worker.engine.codec.codec import Codec, Next
from worker.engine.imports.audiocraft import CompressionModel, InterleaveStereoCompressionModel
from worker.engine.native.loader import kernels

SHAPES: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "as published": {"pad_mode": "reflect"},
    "repeating the edge": {"pad_mode": "replicate"},
    "deep and dilated": {"true_skip": False, "n_residual_layers": 3, "pad_mode": "reflect"},
    "causal": {"causal": True, "pad_mode": "reflect"},
    "causal, trimmed on both sides": {"causal": True, "decoder": {"trim_right_ratio": 0.5}},
    "without LSTM and normalisation": {"lstm": 0, "norm": "none"},
    "another last layer": {"decoder": {"final_activation": "Tanh", "trim_right_ratio": 1.0}},
    "odd ratios": {"ratios": [5, 3, 4, 2], "kernel_size": 5, "activation": "SiLU", "activation_params": {}},
    "two channels": {"channels": 2},
}


@pytest.mark.parametrize("by", ["torch", None], ids=["torch", "kernels"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("frames", [1, 2, 5, 40])
def test_full_and_streamed_decoding_equal_audiocrafts_for_every_shape(shape: str, frames: int, by: str | None) -> None:
    model = encodec(**SHAPES[shape])
    codes, codec = random_codes(model, frames), Codec.prepare(model, kernels(by))
    assert codec.streams, codec.unstreamable_reason
    expected = reference(model, codes)
    assert max_difference(codec.decode(codes), expected) < CLOSE
    assert max_difference(streamed(codec, codes, [1] * (frames // 2)), expected) < CLOSE


@pytest.mark.parametrize("count", [2, 5])
def test_a_batch_decodes_to_the_same_audio_as_each_clip_alone(
    count: int, remembering: CompressionModel, codec: Codec
) -> None:
    codes = torch.stack([random_codes(remembering, 80, seed=seed) for seed in range(count)])
    batched = codec.decode(codes)  # [batch, channels, samples]
    for row in range(count):
        assert max_difference(batched[row], reference(remembering, codes[row])) < CLOSE


def test_clips_of_any_lengths_are_decoded_together_to_each_ones_own_audio(
    remembering: CompressionModel, codec: Codec
) -> None:
    clips = [random_codes(remembering, frames, seed=frames) for frames in (3, 0, 120, 57, 120, 1)]
    together = codec.decode_all(clips)
    assert together[1].shape == (1, 0)
    for codes, waveform in zip(clips, together, strict=True):
        if codes.shape[1]:
            assert max_difference(waveform, reference(remembering, codes)) < CLOSE


def test_by_the_kernels_a_clip_is_bitwise_the_same_alone_and_in_company(remembering: CompressionModel) -> None:
    codec = Codec.prepare(remembering, kernels())
    codec._frames_at_once = 50  # in several parts
    clips = [random_codes(remembering, frames, seed=frames) for frames in (130, 57, 120)]
    for codes, waveform in zip(clips, codec.decode_all(clips), strict=True):
        assert torch.equal(waveform, codec.decode(codes))


def test_interleaved_stereo_is_decoded_as_its_two_sides(remembering: CompressionModel) -> None:
    stereo = InterleaveStereoCompressionModel(remembering)
    codec, codes = Codec.prepare(stereo), random_codes(stereo, 60)
    assert (codec.streams, codec.channels, codec.codebooks) == (True, 2, 8)
    expected = reference(stereo, codes)
    assert max_difference(expected[:1], expected[1:]) > 0.01
    assert max_difference(codec.decode(codes), expected) < CLOSE
    assert max_difference(streamed(codec, codes, [7, 20]), expected) < CLOSE
    assert max_difference(codec.decode(torch.stack([codes, codes.flip(1)]))[0], expected) < CLOSE


def test_the_model_and_the_process_stay_as_they_were(forgetful: CompressionModel) -> None:
    before = {name: value.clone() for name, value in forgetful.state_dict().items()}
    codes, threads = random_codes(forgetful, 20), torch.get_num_threads()
    expected = reference(forgetful, codes)
    Codec.prepare(forgetful).decode(codes)
    assert torch.equal(reference(forgetful, codes), expected)
    assert before.keys() == forgetful.state_dict().keys()
    assert all(torch.equal(before[name], value) for name, value in forgetful.state_dict().items())
    assert (torch.is_grad_enabled(), torch.get_num_threads()) == (True, threads)


class LargestTensor(TorchDispatchMode):
    """Record the size of the largest tensor that is computed."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        built = func(*args, **(kwargs or {}))
        if isinstance(built, Tensor):
            self.numbers = max(self.numbers, built.numel())
        return built


def test_decoding_a_long_clip_takes_its_waveform_and_constant_memory(remembering: CompressionModel) -> None:
    codes, codec = random_codes(remembering, 600), Codec.prepare(remembering)
    codec._after.max_elements = codec._frames_at_once = 1 << 30
    with LargestTensor() as at_once:
        samples = codec.decode(codes).numel()
    codec._after.max_elements, codec._frames_at_once = 1 << 14, 512
    with LargestTensor() as in_parts:
        codec.decode(codes)
    assert at_once.numbers > 4 * samples
    assert in_parts.numbers == samples
    with torch.inference_mode():
        assert all(part.numel() < samples / 4 for _, part in codec.advance([Next(codec.begin(), codes, True)]))


@pytest.mark.parametrize("kind", ["transformers", "normalised over time", "sides in time"])
def test_a_codec_that_cannot_stream_decodes_all_codes_at_once_and_says_why(kind: str) -> None:
    if kind == "transformers":
        model = a_transformers_encodec()
    elif kind == "sides in time":
        model = InterleaveStereoCompressionModel(encodec(), per_timestep=True)
    else:
        model = encodec(norm="time_group_norm")
    codec, codes = Codec.prepare(model), random_codes(model, 20)
    assert not codec.streams
    assert codec.unstreamable_reason
    with torch.no_grad():
        expected = model.decode(codes[None], None)[0]
    assert max_difference(codec.decode(codes), expected) == 0
    stream = codec.stream()
    assert stream.push(codes[:, :12]).shape == stream.push(codes[:, 12:]).shape == (model.channels, 0)
    assert max_difference(stream.finish(), expected) == 0


def test_no_codes_decode_to_no_samples(codec: Codec) -> None:
    nothing = torch.zeros(4, 0, dtype=torch.long)
    assert codec.decode(nothing).shape == codec.stream().push(nothing).shape == codec.stream().finish().shape == (1, 0)


def test_codes_of_another_model_are_refused(codec: Codec) -> None:
    eight = torch.zeros(8, 10, dtype=torch.long)
    with pytest.raises(ValueError, match="4 codebooks"):
        codec.decode(eight)
    with pytest.raises(ValueError, match="4 codebooks"):
        codec.stream().push(eight)
