"""The hand-over between the threads of a caller and of an engine, without a model."""

from __future__ import annotations

import threading
import time
import weakref

import numpy as np
import pytest

from worker.engine.core.handle import Cancelled, Handle
from worker.engine.core.types import Clip, EngineRequest, Progress


@pytest.fixture
def handle() -> Handle:
    return Handle(EngineRequest("a march", 1.0), steps=4)


def a_clip() -> Clip:
    return Clip(np.ones((1, 8), np.float32), 32_000, 0.1, np.zeros((4, 2), np.int64))


def test_a_new_handle_waits(handle: Handle) -> None:
    assert handle.progress == Progress(0, 4, "waiting")
    assert not handle.done
    assert not handle.wait(0.01)


def test_the_clip_reaches_a_caller_in_another_thread(handle: Handle) -> None:
    clip = a_clip()
    threading.Timer(0.05, lambda: handle.begin() and handle.finish(clip)).start()
    assert handle.result() is clip
    assert handle.progress == Progress(4, 4, "done")


def test_the_error_reaches_the_caller(handle: Handle) -> None:
    handle.begin()
    handle.fail(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        handle.result()
    with pytest.raises(ValueError, match="no"):
        list(handle.chunks())


def test_advancing_moves_the_progress_and_the_clock(handle: Handle) -> None:
    before = handle.advanced_at
    time.sleep(0.01)
    handle.begin()
    began = handle.advanced_at
    time.sleep(0.01)
    handle.advance(2, "decoding")
    assert handle.progress == Progress(2, 4, "decoding")
    assert before < began < handle.advanced_at


def test_a_waiting_request_is_cancelled_at_once_and_never_begins(handle: Handle) -> None:
    handle.cancel()
    assert handle.wait(0)
    assert not handle.begin()
    with pytest.raises(Cancelled):
        handle.result()


def test_a_running_request_is_cancelled_at_its_next_step(handle: Handle) -> None:
    handle.begin()
    handle.advance(1, "decoding")
    handle.cancel()
    assert not handle.done
    with pytest.raises(Cancelled, match="step 2 of 4"):
        handle.advance(2, "decoding")


def test_cancelling_after_the_end_changes_nothing(handle: Handle) -> None:
    clip = a_clip()
    handle.begin()
    handle.finish(clip)
    handle.cancel()
    handle.fail(ValueError("late"))
    assert handle.result() is clip


def test_a_taken_clip_is_released_by_the_handle(handle: Handle) -> None:
    clip = a_clip()
    waveform = weakref.ref(clip.waveform)
    handle.begin()
    handle.finish(clip)
    del clip
    taken = handle.take()
    assert handle.done
    assert handle.chunks_from(0, 0.0) == []
    assert taken.waveform is waveform()
    del taken
    assert waveform() is None


def test_chunks_come_as_they_are_made(handle: Handle) -> None:
    handle.begin()
    chunks = handle.chunks()
    handle.add_chunk(np.zeros((1, 3), np.float32))
    assert next(chunks).shape == (1, 3)
    handle.add_chunk(np.zeros((1, 5), np.float32))
    handle.finish(a_clip())
    assert [chunk.shape for chunk in chunks] == [(1, 5)]


def test_without_chunks_the_clip_is_the_only_one(handle: Handle) -> None:
    handle.begin()
    handle.finish(a_clip())
    assert [chunk.shape for chunk in handle.chunks()] == [(1, 8)]
