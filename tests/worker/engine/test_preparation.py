"""Text, melodies and audio are prepared in threads of their own, and none waits for a slower kind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from worker.engine.core.handle import Cancelled, Handle
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.model.windows import frames_for
from worker.engine.preparation import PreparationThread, brings_audio

from .asking import MELODY, make_request

pytestmark = pytest.mark.slow


class Gate:
    """Hold what comes to a function until it is opened."""

    def __init__(self, do: Callable[..., Any]) -> None:
        self._do = do
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, *arguments: Any) -> Any:
        self.reached.set()
        assert self.opened.wait(60)
        return self._do(*arguments)


@pytest.fixture
def engine(checkpoint: Callable[[str], Path]) -> Iterator[ContinuousBatchingEngine]:
    made = ContinuousBatchingEngine.load(checkpoint("tiny"), slots=2)
    yield made
    made.close()


@pytest.fixture
def separation(engine: ContinuousBatchingEngine, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """A separation of sources that takes until the test opens it."""
    melody = engine._model.lm.condition_provider.conditioners["self_wav"]
    gate = Gate(melody._get_stemmed_wav)
    monkeypatch.setattr(melody, "_get_stemmed_wav", gate)
    return gate


def test_a_song_with_text_alone_is_done_while_a_melody_is_being_separated(
    engine: ContinuousBatchingEngine, separation: Gate
) -> None:
    sung = engine.submit(make_request(melody=MELODY))
    assert separation.reached.wait(30)
    text = engine.submit(make_request()).result()
    assert not sung.done
    separation.opened.set()
    assert not np.array_equal(sung.result().codes, text.codes)


def test_a_melody_that_waits_for_another_one_is_cancelled_at_once(
    engine: ContinuousBatchingEngine, separation: Gate
) -> None:
    first = engine.submit(make_request(melody=MELODY))
    assert separation.reached.wait(30)
    second = engine.submit(make_request(melody=MELODY, seed=2))
    second.cancel()
    with pytest.raises(Cancelled):
        second.result()
    separation.opened.set()
    assert first.result().codes.size


def test_those_that_wait_count_as_advancing_when_the_one_before_them_does() -> None:
    thread, begun, release = PreparationThread("melodies", torch.device("cpu")), threading.Event(), threading.Event()
    first, second = (Handle(make_request(), 50) for _ in range(2))
    thread.submit(first, lambda: (begun.set(), release.wait(30)))
    thread.submit(second, lambda: None)
    assert begun.wait(30)
    queued = first.advanced_at, second.advanced_at
    thread.touch()
    release.set()
    thread.close()
    assert first.advanced_at == queued[0]
    assert second.advanced_at > queued[1]


def test_a_cancel_ends_a_melody_between_two_windows(
    engine: ContinuousBatchingEngine,
    separation: Gate,
    short_windows: Callable[..., None],
) -> None:
    short_windows(engine._model, 2.0, 1.0)
    request = make_request(melody=MELODY, duration_s=6.0)
    assert len(frames_for(engine._model, 300, 0).windows()) > 2
    handle = engine.submit(request)
    assert separation.reached.wait(30)
    handle.cancel()
    separation.opened.set()
    with pytest.raises(Cancelled):
        handle.result()


def test_only_what_is_heard_goes_to_the_slower_thread() -> None:
    assert brings_audio(make_request(melody=MELODY))
    assert brings_audio(make_request(continue_from=MELODY))
    assert not brings_audio(make_request())
    assert not brings_audio(make_request(melody=MELODY, guidance_scale=0.0))  # the model alone: it is ignored
