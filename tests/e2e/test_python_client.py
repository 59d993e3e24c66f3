"""Use the Python package with the real stack: clips streamed while they are made, the same piece there and here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from music_gen import APIClient, MultiInstrumentGenerator

from tests.e2e.conftest import Stack

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

TRIO = {"piano": "Jazz piano comping", "bass": {"prompt": "Walking bass line", "top_k": 50}, "drums": "Swing pattern"}
MIX = {"mix_preset": "jazz_club", "levels": {"drums": -3.0}}


def test_a_clip_is_heard_while_the_engine_makes_it_and_the_chunks_join_to_its_file(stack: Stack) -> None:
    with APIClient(base_url=stack.services.url) as client, client.stream("calm piano", 4, seed=12) as stream:
        first = next(stream)
        assert stream.task is not None
        assert client.get(stream.task).status == "processing"
        chunks = [first, *stream]
        np.testing.assert_array_equal(np.concatenate([c.numpy() for c in chunks], axis=1), stream.result().numpy())
        stored = b"".join(chunk.pcm for chunk in client.listen(stream.task))  # by now the file itself, from the store
        assert stored == b"".join(chunk.pcm for chunk in chunks)
    assert (chunks[-1].progress, chunks[-1].restart) == (100.0, False)


def test_a_piece_for_several_instruments_is_the_same_there_and_here(stack: Stack, checkpoint: Path) -> None:
    with APIClient(base_url=stack.services.url) as client:
        there = client.multi_instrument(TRIO, 1.5, MIX, seed=7)
    torch.set_num_threads(1)
    with MultiInstrumentGenerator(str(checkpoint), "cpu") as generator:
        here = generator.generate_multi_track(TRIO, 1.5, MIX, seed=7)
    assert (here.tempo_bpm, here.key, list(here)) == (there.tempo_bpm, there.key, list(there))
    for name, clip in here.items():
        assert (clip.prompt, clip.seed) == (there[name].prompt, there[name].seed), name
        # the worker may sum with another number of threads, and its file has 16 bits
        np.testing.assert_allclose(clip.numpy(), there[name].numpy(), atol=2e-4, err_msg=name)
    np.testing.assert_allclose(here.mix.numpy(), there.mix.numpy(), atol=2e-3)
    assert here.mix.prompt == there.mix.prompt
