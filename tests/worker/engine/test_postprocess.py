"""Sequences that end at the same time are decoded in one codec batch, to the audio that each gets alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from worker.engine import postprocess
from worker.engine.codec.codec import CodecStream, push_all
from worker.engine.core.types import EngineRequest
from worker.engine.engine import ContinuousBatchingEngine


@pytest.fixture(scope="module")
def engine(checkpoint: Callable[[str], Path]) -> Iterator[ContinuousBatchingEngine]:
    engine = ContinuousBatchingEngine.load(checkpoint("text"), slots=8)
    yield engine
    engine.close()


def test_sequences_that_end_together_are_decoded_in_one_batch_to_the_same_audio(
    engine: ContinuousBatchingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec, runs = engine._postprocessor._codec, []
    decode_all = codec.decode_all

    def decode_slowly(clips: list[torch.Tensor]) -> list[torch.Tensor]:
        runs.append(len(clips))
        while len(runs) == 1 and len(engine._postprocessor._clips) < 4:  # until the others have ended too
            pass
        return decode_all(clips)

    monkeypatch.setattr(codec, "decode_all", decode_slowly)
    lengths = (0.2, 0.5, 0.5, 0.5, 0.6)
    handles = [engine.submit(EngineRequest("calm piano", length, seed=n)) for n, length in enumerate(lengths)]
    clips = [handle.result() for handle in handles]
    assert runs == [1, 4]
    for clip in clips:
        solo = decode_all([torch.tensor(clip.codes)])[0].numpy()[:, : clip.waveform.shape[1]]
        assert np.array_equal(clip.waveform, solo)


def test_chunks_of_several_streams_that_are_due_together_are_decoded_in_one_batch(
    engine: ContinuousBatchingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []

    def push_slowly(due: list[tuple[CodecStream, torch.Tensor | None]]) -> list[torch.Tensor]:
        runs.append(len(due))
        while len(runs) == 1 and len({id(each.sequence) for each in tuple(engine._postprocessor._chunks)}) < 3:
            pass
        return push_all(due)

    monkeypatch.setattr(postprocess, "push_all", push_slowly)
    lengths = (1.0, 1.5, 2.0)
    handles = [engine.submit(EngineRequest("calm piano", x, seed=n, stream=True)) for n, x in enumerate(lengths)]
    clips = [handle.result() for handle in handles]
    assert max(runs) > 1
    for clip in clips:
        solo = engine._postprocessor._codec.decode(torch.tensor(clip.codes)).numpy()[:, : clip.waveform.shape[1]]
        assert np.abs(clip.waveform - solo).max() < 1e-5


def test_a_sequence_that_the_codec_cannot_decode_fails_alone(
    engine: ContinuousBatchingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = engine._postprocessor._codec
    decode_all = codec.decode_all
    bad = engine.submit(EngineRequest("calm piano", 0.3, seed=1)).result().codes

    def decode_most(clips: list[torch.Tensor]) -> list[torch.Tensor]:
        if any(np.array_equal(codes, bad) for codes in clips):
            raise RuntimeError("these codes cannot be decoded")
        return decode_all(clips)

    monkeypatch.setattr(codec, "decode_all", decode_most)
    handles = [engine.submit(EngineRequest("calm piano", 0.3, seed=seed)) for seed in range(4)]
    for seed, handle in enumerate(handles):
        if seed == 1:
            with pytest.raises(Exception, match="cannot be decoded"):
                handle.result()
        else:
            assert handle.result().waveform.shape == (1, 9600)


def test_a_streamed_requests_chunks_are_views_of_its_one_waveform(engine: ContinuousBatchingEngine) -> None:
    handle = engine.submit(EngineRequest("calm piano", 2.0, seed=1, stream=True))
    chunks = list(handle.chunks())
    waveform = handle.result().waveform
    assert len(chunks) > 1
    assert all(np.shares_memory(chunk, waveform) for chunk in chunks)
    assert np.array_equal(np.concatenate(chunks, axis=1), waveform)
    assert waveform.shape == (1, 64_000)


def test_a_streams_second_chunk_completes_its_first_second(engine: ContinuousBatchingEngine) -> None:
    handle = engine.submit(EngineRequest("calm piano", 3.0, seed=1, stream=True))
    first, second, *others = [chunk.shape[1] for chunk in handle.chunks()]
    assert first < 0.4 * 32_000  # of which the codec holds back what later codes change
    assert 32_000 <= first + second < 1.05 * 32_000
    assert others
