"""Whose fault it is: a song's own, the memory's or the device's. And what a boot pays so that nobody else has to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from shared.errors import GenerationFailed, OutOfMemory, Unavailable
from shared.settings import ROOT
from worker.engine.core.failures import is_of_the_device
from worker.engine.core.handle import Handle
from worker.engine.core.types import EngineRequest
from worker.engine.engine import BatchingEngine
from worker.engine.model.conditioning import Conditions
from worker.engine.runners.base import Outcome
from worker.engine.runners.sequence import Sequence

Load = Callable[..., BatchingEngine]
GPU_IS_GONE = "CUDA error: an illegal memory access was encountered"


@pytest.fixture(params=["songs", "slots"])
def load(checkpoint: Callable[[str], Path], request: pytest.FixtureRequest) -> Iterator[Load]:
    """A fresh engine that may be broken, with either runner."""
    loaded: list[BatchingEngine] = []

    def load(shape: str = "text", **options: object) -> BatchingEngine:
        options = {"slots": 4, "runner": request.param, "exact": True, **options}
        loaded.append(BatchingEngine.load(checkpoint(shape), **options))  # type: ignore[arg-type]
        return loaded[-1]

    yield load
    for engine in loaded:
        engine.close()


def piece(seed: int, duration_s: float = 0.4) -> EngineRequest:
    return EngineRequest("calm piano", duration_s, seed=seed)


def fail_steps(engine: BatchingEngine, when: Callable[[list[Sequence]], Exception | None]) -> list[list[int]]:
    """From now on a step raises what `when` gives for its songs. The seeds of each step that was tried are kept."""
    step, tried = engine._runner.step, []

    def step_or_fail(sequences: Iterable[Sequence]) -> list[Outcome]:
        songs = list(sequences)
        tried.append([song.piece.seed for song in songs])
        if error := when(songs):
            raise error
        return step(songs)

    engine._runner.step = step_or_fail  # type: ignore[method-assign]
    return tried


def codes_of(handle: Handle) -> np.ndarray:
    return handle.result().codes


def test_a_song_whose_step_raises_fails_and_the_others_go_on_as_if_alone(load: Load) -> None:
    engine = load()
    expected = {seed: codes_of(engine.submit(piece(seed))) for seed in (1, 2)}

    def culprit(songs: list[Sequence]) -> Exception | None:
        guilty = any(song.piece.seed == 666 and song.decoded >= 3 for song in songs)
        return ValueError("a bad song") if guilty else None

    tried = fail_steps(engine, culprit)
    first, bad, last = engine.submit(piece(1)), engine.submit(piece(666)), engine.submit(piece(2))
    with pytest.raises(GenerationFailed, match="a bad song"):
        bad.result()
    assert np.array_equal(codes_of(first), expected[1])
    assert np.array_equal(codes_of(last), expected[2])
    assert [666] in tried
    assert engine.alive


def test_no_memory_for_a_step_ends_the_younger_half_and_admits_fewer_from_then_on(load: Load) -> None:
    engine = load()
    expected = codes_of(engine.submit(piece(1)))
    joined: list[int] = []

    def too_many(songs: list[Sequence]) -> Exception | None:
        joined[:] = [song.piece.seed for song in songs]
        return torch.OutOfMemoryError("CUDA out of memory") if len(songs) > 2 else None

    fail_steps(engine, too_many)
    handles = [engine.submit(piece(seed, 2.0)) for seed in (1, 2, 3)]
    for handle in handles:
        handle.wait()
    failed = [handle for handle in handles if handle._error is not None]
    assert len(failed) == 2
    for handle in failed:
        with pytest.raises(OutOfMemory) as caught:
            handle.result()
        assert caught.value.retryable
    assert engine.slots == 1
    later = [engine.submit(piece(1)) for _ in range(3)]
    assert all(np.array_equal(codes_of(handle), expected) for handle in later)


def test_no_memory_for_a_song_that_joins_means_that_it_waits_for_another_to_leave(load: Load) -> None:
    engine = load()
    expected = codes_of(engine.submit(piece(2)))
    prefill, refused = engine._runner.prefill, []

    def prefill_alone(sequence: Sequence, conditions: Conditions) -> None:
        if engine._runner.held:
            refused.append(sequence.piece.seed)
            raise torch.OutOfMemoryError("CUDA out of memory")
        prefill(sequence, conditions)

    engine._runner.prefill = prefill_alone  # type: ignore[method-assign]
    first, second = engine.submit(piece(1, 1.0)), engine.submit(piece(2))
    assert np.array_equal(codes_of(second), expected)
    assert first.done
    assert refused == [2]


def test_no_memory_for_a_song_that_is_alone_fails_it(load: Load) -> None:
    engine = load()

    def prefill(sequence: Sequence, conditions: Conditions) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    engine._runner.prefill = prefill  # type: ignore[method-assign]
    with pytest.raises(OutOfMemory, match="shorter"):
        engine.submit(piece(1)).result()


def test_an_error_of_the_device_ends_every_song_and_the_engine_says_that_it_is_broken(load: Load) -> None:
    engine = load()
    assert engine.alive
    fail_steps(engine, lambda songs: RuntimeError(GPU_IS_GONE) if songs[0].decoded > 2 else None)
    running, waiting = engine.submit(piece(1, 5.0)), [engine.submit(piece(seed, 5.0)) for seed in range(6)]
    for handle in (running, *waiting):
        with pytest.raises(GenerationFailed, match=r"engine is broken .*illegal memory access.* another worker"):
            handle.result()
    engine._loop._thread.join(5)
    assert not engine.alive
    assert engine.broken is not None
    with pytest.raises(Unavailable, match="broken"):
        engine.submit(piece(1))


def test_a_decode_thread_that_dies_leaves_nobody_waiting(load: Load) -> None:
    engine = load()

    def admit() -> bool:
        raise SystemError("a bug")

    handle = engine.submit(piece(1, 20.0))
    while handle.progress.step < 2:
        time.sleep(0.005)
    engine._loop._admit = admit  # type: ignore[method-assign]
    with pytest.raises(GenerationFailed, match="a bug"):
        handle.result()
    assert not engine.alive


def test_a_warm_up_is_short_tells_its_progress_and_makes_a_piece(checkpoint: Callable[[str], Path]) -> None:
    engine = BatchingEngine.load(ROOT / "models" / "tiny", slots=2)
    told: list[tuple[int, int]] = []
    began_at = time.process_time()
    engine.warm_up(lambda done, total: told.append((done, total)))
    assert time.process_time() - began_at < 2
    assert told[0] == (0, told[0][1])
    assert told[-1] == (told[0][1], told[0][1])
    engine.close()


def test_memory_and_a_songs_own_errors_are_not_the_devices() -> None:
    assert is_of_the_device(RuntimeError(GPU_IS_GONE))
    assert is_of_the_device(torch.AcceleratorError(GPU_IS_GONE))
    assert not is_of_the_device(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_of_the_device(ValueError("CUDA error"))
