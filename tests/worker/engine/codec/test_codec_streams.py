"""A stream's chunks, of any size and from any thread, join to what audiocraft decodes at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.worker.engine.codec.random_codecs import CLOSE, SAMPLES, max_difference, random_codes, reference, streamed
from worker.engine.codec.codec import Codec, push_all
from worker.engine.imports.audiocraft import CompressionModel


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


def test_a_stream_begun_outside_inference_mode_goes_on_inside(remembering: CompressionModel, codec: Codec) -> None:
    codes, stream = random_codes(remembering, 30), codec.stream()
    chunks = [stream.push(codes[:, :11])]
    with torch.inference_mode():
        chunks += [stream.push(codes[:, 11:]), stream.finish()]
    joined = torch.cat(chunks, dim=1)
    assert max_difference(joined, reference(remembering, codes)) < CLOSE
    assert not joined.requires_grad


def test_a_finished_stream_takes_no_more(codec: Codec) -> None:
    stream = codec.stream()
    stream.push(random_codes(codec._model, 5))
    stream.finish()
    with pytest.raises(RuntimeError, match="finished"):
        stream.push(random_codes(codec._model, 5))
    with pytest.raises(RuntimeError, match="finished"):
        stream.finish()
