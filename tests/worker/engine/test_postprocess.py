"""Sequences that end at the same time are decoded in one codec batch, to the audio that each gets alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

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
    decode = codec.decode

    def decode_slowly(codes: torch.Tensor) -> torch.Tensor:
        runs.append(len(codes))
        while len(runs) == 1 and len(engine._postprocessor._finished) < 4:  # until the others have ended too
            pass
        return decode(codes)

    monkeypatch.setattr(codec, "decode", decode_slowly)
    lengths = (0.2, 0.5, 0.5, 0.5, 0.6)
    handles = [engine.submit(EngineRequest("calm piano", length, seed=n)) for n, length in enumerate(lengths)]
    clips = [handle.result() for handle in handles]
    assert sorted(runs) == [1, 1, 3]
    for clip in clips:
        solo = decode(torch.tensor(clip.codes)).numpy()[:, : clip.waveform.shape[1]]
        assert np.abs(clip.waveform - solo).max() < 1e-5


def test_a_sequence_that_the_codec_cannot_decode_fails_alone(
    engine: ContinuousBatchingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = engine._postprocessor._codec
    decode = codec.decode
    bad = engine.submit(EngineRequest("calm piano", 0.3, seed=1)).result().codes

    def decode_most(codes: torch.Tensor) -> torch.Tensor:
        if any(np.array_equal(one, bad) for one in codes.numpy()):
            raise RuntimeError("these codes cannot be decoded")
        return decode(codes)

    monkeypatch.setattr(codec, "decode", decode_most)
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
