"""An engine's errors: a request's own, out of memory, and the device's; and the warm-up before the first request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from shared.errors import GenerationFailed, OutOfMemory, Unavailable
from shared.settings import ROOT
from worker.engine.core.failures import is_device_error, public_error
from worker.engine.core.handle import Handle
from worker.engine.core.streams import to_device
from worker.engine.core.types import EngineRequest
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.model.conditioning import Conditions
from worker.engine.runners.base import Outcome
from worker.engine.runners.sequence import Sequence

pytestmark = pytest.mark.slow

Load = Callable[..., ContinuousBatchingEngine]
GPU_IS_GONE = "CUDA error: an illegal memory access was encountered"


@pytest.fixture(params=["cpu", "cuda"])
def load(checkpoint: Callable[[str], Path], request: pytest.FixtureRequest) -> Iterator[Load]:
    """A fresh engine that may be broken, with either runner."""
    loaded: list[ContinuousBatchingEngine] = []

    def load(shape: str = "text", **options: object) -> ContinuousBatchingEngine:
        options = {"slots": 4, "runner": request.param, "exact": True, **options}
        loaded.append(ContinuousBatchingEngine.load(checkpoint(shape), **options))
        return loaded[-1]

    yield load
    for engine in loaded:
        engine.close()


def make_request(seed: int, duration_s: float = 0.4) -> EngineRequest:
    return EngineRequest("calm piano", duration_s, seed=seed)


def fail_steps(engine: ContinuousBatchingEngine, when: Callable[[list[Sequence]], Exception | None]) -> list[list[int]]:
    """Make steps raise what `when` returns for their sequences; return the seeds of each step that was tried."""
    step, tried = engine._runner.step, []

    def step_or_fail(given: Iterable[Sequence]) -> list[Outcome]:
        sequences = list(given)
        tried.append([sequence.request.seed for sequence in sequences])
        if error := when(sequences):
            raise error
        return step(sequences)

    engine._runner.step = step_or_fail  # type: ignore[method-assign]
    return tried


def codes_of(handle: Handle) -> np.ndarray:
    return handle.result().codes


def test_a_sequence_whose_step_raises_fails_and_the_others_decode_as_if_solo(load: Load) -> None:
    engine = load()
    expected = {seed: codes_of(engine.submit(make_request(seed))) for seed in (1, 2)}

    def culprit(sequences: list[Sequence]) -> Exception | None:
        guilty = any(sequence.request.seed == 666 and sequence.decoded >= 3 for sequence in sequences)
        return ValueError("a bad sequence") if guilty else None

    tried = fail_steps(engine, culprit)
    first, bad, last = engine.submit(make_request(1)), engine.submit(make_request(666)), engine.submit(make_request(2))
    with pytest.raises(GenerationFailed, match="a bad sequence"):
        bad.result()
    assert np.array_equal(codes_of(first), expected[1])
    assert np.array_equal(codes_of(last), expected[2])
    assert [666] in tried
    assert engine.alive


def test_out_of_memory_in_a_step_ends_the_younger_half_and_admits_fewer_from_then_on(load: Load) -> None:
    engine = load()
    expected = codes_of(engine.submit(make_request(1)))
    joined: list[int] = []

    def too_many(sequences: list[Sequence]) -> Exception | None:
        joined[:] = [sequence.request.seed for sequence in sequences]
        return torch.OutOfMemoryError("CUDA out of memory") if len(sequences) > 2 else None

    fail_steps(engine, too_many)
    handles = [engine.submit(make_request(seed, 2.0)) for seed in (1, 2, 3)]
    for handle in handles:
        handle.wait()
    failed = [handle for handle in handles if handle._error is not None]
    assert len(failed) == 2
    for handle in failed:
        with pytest.raises(OutOfMemory) as caught:
            handle.result()
        assert caught.value.retryable
    assert engine.slots == 1
    later = [engine.submit(make_request(1)) for _ in range(3)]
    assert all(np.array_equal(codes_of(handle), expected) for handle in later)


def test_a_sequence_without_memory_for_its_prefill_waits_for_another_to_leave(load: Load) -> None:
    engine = load()
    expected = codes_of(engine.submit(make_request(2)))
    prefill, refused = engine._runner.prefill, []

    def prefill_alone(sequence: Sequence, conditions: Conditions) -> None:
        if engine._runner.active:
            refused.append(sequence.request.seed)
            raise torch.OutOfMemoryError("CUDA out of memory")
        prefill(sequence, conditions)

    engine._runner.prefill = prefill_alone  # type: ignore[method-assign]
    first, second = engine.submit(make_request(1, 1.0)), engine.submit(make_request(2))
    assert np.array_equal(codes_of(second), expected)
    assert first.done
    assert refused == [2]


def test_out_of_memory_fails_a_sequence_that_runs_alone(load: Load) -> None:
    engine = load()

    def prefill(sequence: Sequence, conditions: Conditions) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    engine._runner.prefill = prefill  # type: ignore[method-assign]
    with pytest.raises(OutOfMemory, match="shorter"):
        engine.submit(make_request(1)).result()


def test_a_device_error_ends_every_request_and_the_engine_says_that_it_is_broken(load: Load) -> None:
    engine = load()
    assert engine.alive
    fail_steps(engine, lambda sequences: RuntimeError(GPU_IS_GONE) if sequences[0].decoded > 2 else None)
    running, waiting = (
        engine.submit(make_request(1, 5.0)),
        [engine.submit(make_request(seed, 5.0)) for seed in range(6)],
    )
    for handle in (running, *waiting):
        with pytest.raises(GenerationFailed, match=r"engine is broken .*illegal memory access.* another worker"):
            handle.result()
    engine._scheduler._thread.join(5)
    assert not engine.alive
    assert engine.broken is not None
    with pytest.raises(Unavailable, match="broken"):
        engine.submit(make_request(1))


def test_a_dead_decode_thread_fails_every_waiting_request(load: Load) -> None:
    engine = load()

    def admit() -> bool:
        raise SystemError("a bug")

    handle = engine.submit(make_request(1, 20.0))
    while handle.progress.step < 2:
        time.sleep(0.005)
    engine._scheduler._admit = admit  # type: ignore[method-assign]
    with pytest.raises(GenerationFailed, match="a bug"):
        handle.result()
    assert not engine.alive


def test_a_warm_up_is_short_and_reports_its_progress(checkpoint: Callable[[str], Path]) -> None:
    engine = ContinuousBatchingEngine.load(ROOT / "models" / "tiny", slots=2)
    reported: list[tuple[int, int]] = []
    began_at = time.process_time()
    engine.warm_up(lambda done, total: reported.append((done, total)))
    assert time.process_time() - began_at < 2
    assert reported[0] == (0, reported[0][1])
    assert reported[-1] == (reported[0][1], reported[0][1])
    engine.close()


def test_a_device_error_of_the_codec_breaks_the_engine_at_once(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, tried = load(), []

    def fail(clips: object) -> object:
        tried.append(clips)
        raise torch.AcceleratorError(GPU_IS_GONE)

    monkeypatch.setattr(engine._postprocessor._codec, "decode_all", fail)
    decoded, running = engine.submit(make_request(1)), engine.submit(make_request(2, 20.0))
    for handle in (decoded, running):
        with pytest.raises(GenerationFailed, match=r"engine is broken .*illegal memory access"):
            handle.result()
    assert not engine.alive
    assert len(tried) == 1, "nothing is tried again on a device that is gone"


def test_a_device_error_of_the_conditioners_breaks_the_engine_at_once(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load()
    running = engine.submit(make_request(1, 20.0))

    def fail(request: EngineRequest) -> Conditions:
        raise RuntimeError(GPU_IS_GONE)

    while running.progress.step < 2:
        time.sleep(0.005)
    monkeypatch.setattr(engine._conditioner, "encode", fail)
    for handle in (engine.submit(make_request(2)), running):
        with pytest.raises(GenerationFailed):
            handle.result()
    assert not engine.alive


NO_MEMORY = (
    torch.OutOfMemoryError("CUDA out of memory"),
    torch.AcceleratorError("CUDA error: out of memory"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED"),
    MemoryError(),
)


@pytest.mark.parametrize("error", NO_MEMORY, ids=repr)
def test_memory_that_is_not_there_is_no_error_of_the_device(error: Exception) -> None:
    assert not is_device_error(error)
    assert isinstance(public_error(error), OutOfMemory)


def test_a_capture_that_ended_is_as_bad_as_what_ended_it() -> None:
    def ended_by(cause: Exception) -> Exception:
        try:
            try:
                raise cause
            finally:
                raise torch.AcceleratorError("CUDA error: operation failed due to a previous error during capture")
        except torch.AcceleratorError as error:
            return error

    assert not is_device_error(ended_by(torch.OutOfMemoryError("CUDA out of memory")))
    assert not is_device_error(ended_by(ValueError("a bug")))
    assert is_device_error(ended_by(torch.AcceleratorError(GPU_IS_GONE)))


def test_without_pinned_memory_numbers_are_copied_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(tensor: torch.Tensor) -> torch.Tensor:
        raise torch.AcceleratorError("CUDA error: out of memory")

    monkeypatch.setattr(torch.Tensor, "pin_memory", refuse)
    with FakeTensorMode():  # tensors without memory, also of a device that is not there
        copied = to_device(torch.zeros(3), torch.device("cuda"))
    assert copied.device.type == "cuda"


def test_out_of_memory_and_value_errors_are_no_device_errors() -> None:
    assert is_device_error(RuntimeError(GPU_IS_GONE))
    assert is_device_error(torch.AcceleratorError(GPU_IS_GONE))
    assert not is_device_error(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_device_error(ValueError("CUDA error"))
