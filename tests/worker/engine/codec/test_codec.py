"""The codec decodes as audiocraft's own does, all codes at once or in chunks of any size, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import EncodecConfig
from transformers import EncodecModel as HFEncodecModel

from tools.random_checkpoint import codec_config
from worker.engine.codec.codec import Codec, Next, push_all
from worker.engine.imports.audiocraft import (
    CompressionModel,
    HFEncodecCompressionModel,
    InterleaveStereoCompressionModel,
    builders,
)
from worker.engine.imports.omegaconf import OmegaConf
from worker.engine.native.loader import kernels

SAMPLES = 640  # of one frame
CLOSE = 1e-5
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


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """So small a model gains nothing from more, and on a busy machine waits for them at each layer."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def forgetful() -> CompressionModel:
    return encodec(pad_mode="reflect")


@pytest.fixture(scope="module")
def remembering() -> CompressionModel:
    """Build a codec whose LSTM state lasts for many seconds, so that a lost state changes the audio."""
    return encodec(forget_bias=3.0, pad_mode="reflect")


@pytest.fixture(scope="module", params=["torch", None], ids=["torch", "kernels"])
def codec(remembering: CompressionModel, request: pytest.FixtureRequest) -> Codec:
    """Return the codec by torch alone, and by this CPU's kernels."""
    return Codec.prepare(remembering, kernels(request.param))


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


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(0, 40), max_size=10), rest=st.integers(0, 40), strong=st.booleans())
def test_joined_chunks_of_any_sizes_equal_the_full_decode(
    sizes: list[int], rest: int, strong: bool, remembering: CompressionModel, forgetful: CompressionModel
) -> None:
    model = remembering if strong else forgetful
    frames = sum(sizes) + rest
    if frames == 0:
        return
    codes = random_codes(model, frames, seed=frames)
    assert max_difference(streamed(Codec.prepare(model), codes, sizes), reference(model, codes)) < CLOSE


def test_a_lost_lstm_state_would_be_noticed(remembering: CompressionModel) -> None:
    codes = random_codes(remembering, 250)
    without_the_past = reference(remembering, codes[:, 150:])
    late = slice(50 * SAMPLES, 100 * SAMPLES)  # a second into it, far from the cut
    assert (
        max_difference(without_the_past[:, late], reference(remembering, codes)[:, 150 * SAMPLES :][:, late])
        > 100 * CLOSE
    )


def test_thirty_seconds_drift_no_further_than_one(remembering: CompressionModel, codec: Codec) -> None:
    codes = random_codes(remembering, 1500)
    expected = reference(remembering, codes)
    assert max_difference(codec.decode(codes), expected) < CLOSE
    assert max_difference(streamed(codec, codes, [50] * 29), expected) < CLOSE


def test_audio_comes_after_a_second_of_codes_and_lags_by_the_kernels_reach_only(codec: Codec) -> None:
    stream, codes = codec.stream(), random_codes(codec._model, 100)
    first = stream.push(codes[:, :50])
    assert 50 - 4 <= first.shape[1] / SAMPLES < 50  # 3 frames before the LSTM, under one after it
    assert stream.push(codes[:, 50:]).shape[1] == 50 * SAMPLES


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


def test_streams_pushed_together_give_each_ones_own_audio(remembering: CompressionModel, codec: Codec) -> None:
    clips = [random_codes(remembering, 100, seed=seed) for seed in range(3)]
    streams, chunks = [codec.stream() for _ in clips], [list[Tensor]() for _ in clips]
    cuts = [[50, 100, 100, 100], [20, 20, 70, 100], [1, 51, 60, 100]]  # each one's frames by each call
    for begin, end in zip([[0, 0, 0], *zip(*cuts, strict=True)], zip(*cuts, strict=True), strict=False):
        due = [codes[:, a:b] for codes, a, b in zip(clips, begin, end, strict=True)]
        for mine, chunk in zip(chunks, push_all(list(zip(streams, due, strict=True))), strict=True):
            mine.append(chunk)
    for mine, chunk in zip(chunks, push_all([(stream, None) for stream in streams]), strict=True):
        mine.append(chunk)
    for codes, mine in zip(clips, chunks, strict=True):
        assert max_difference(torch.cat(mine, dim=1), reference(remembering, codes)) < CLOSE


def test_a_push_that_raises_leaves_the_streams_as_they_were(
    remembering: CompressionModel, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = random_codes(remembering, 60)
    stream, other = codec.stream(), codec.stream()
    first, _ = push_all([(stream, codes[:, :30]), (other, codes[:, :10])])
    advance = codec.advance

    def advance_a_little(clips: Sequence[Any]) -> Iterator[tuple[int, Tensor]]:
        yield next(iter(advance(clips)))
        raise MemoryError("no more memory")

    with monkeypatch.context() as patched:
        patched.setattr(codec, "advance", advance_a_little)
        with pytest.raises(MemoryError):
            push_all([(stream, codes[:, 30:]), (other, None)])
    joined = torch.cat([first, stream.push(codes[:, 30:]), stream.finish()], dim=1)
    assert max_difference(joined, reference(remembering, codes)) < CLOSE


def test_interleaved_stereo_is_decoded_as_its_two_sides(remembering: CompressionModel) -> None:
    stereo = InterleaveStereoCompressionModel(remembering)
    codec, codes = Codec.prepare(stereo), random_codes(stereo, 60)
    assert (codec.streams, codec.channels, codec.codebooks) == (True, 2, 8)
    expected = reference(stereo, codes)
    assert max_difference(expected[:1], expected[1:]) > 0.01
    assert max_difference(codec.decode(codes), expected) < CLOSE
    assert max_difference(streamed(codec, codes, [7, 20]), expected) < CLOSE
    assert max_difference(codec.decode(torch.stack([codes, codes.flip(1)]))[0], expected) < CLOSE


def test_streams_in_several_threads_do_not_mix(remembering: CompressionModel, codec: Codec) -> None:
    count = [random_codes(remembering, 60, seed=seed) for seed in range(4)]
    decoded: dict[int, Tensor] = {}

    def listen(seed: int) -> None:
        decoded[seed] = streamed(codec, count[seed], [5] * 10)

    threads = [threading.Thread(target=listen, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, codes in enumerate(count):
        assert max_difference(decoded[seed], reference(remembering, codes)) < CLOSE


def test_the_model_and_the_process_stay_as_they_were(forgetful: CompressionModel) -> None:
    before = {name: value.clone() for name, value in forgetful.state_dict().items()}
    codes, threads = random_codes(forgetful, 20), torch.get_num_threads()
    expected = reference(forgetful, codes)
    Codec.prepare(forgetful).decode(codes)
    assert torch.equal(reference(forgetful, codes), expected)
    assert before.keys() == forgetful.state_dict().keys()
    assert all(torch.equal(before[name], value) for name, value in forgetful.state_dict().items())
    assert (torch.is_grad_enabled(), torch.get_num_threads()) == (True, threads)


def test_a_stream_begun_outside_inference_mode_goes_on_inside(remembering: CompressionModel, codec: Codec) -> None:
    codes, stream = random_codes(remembering, 30), codec.stream()
    chunks = [stream.push(codes[:, :11])]
    with torch.inference_mode():
        chunks += [stream.push(codes[:, 11:]), stream.finish()]
    joined = torch.cat(chunks, dim=1)
    assert max_difference(joined, reference(remembering, codes)) < CLOSE
    assert not joined.requires_grad


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
    codec._max_elements = codec._frames_at_once = 1 << 30
    with LargestTensor() as at_once:
        samples = codec.decode(codes).numel()
    codec._max_elements, codec._frames_at_once = 1 << 14, 512
    with LargestTensor() as in_parts:
        codec.decode(codes)
    assert at_once.numbers > 4 * samples
    assert in_parts.numbers == samples
    with torch.inference_mode():
        assert all(part.numel() < samples / 4 for _, part in codec.advance([Next(codec.begin(), codes, True)]))


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


def test_a_finished_stream_takes_no_more(codec: Codec) -> None:
    stream = codec.stream()
    stream.push(random_codes(codec._model, 5))
    stream.finish()
    with pytest.raises(RuntimeError, match="finished"):
        stream.push(random_codes(codec._model, 5))
    with pytest.raises(RuntimeError, match="finished"):
        stream.finish()
