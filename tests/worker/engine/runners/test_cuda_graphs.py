"""When steps are captured, and what a capture that fails costs: by graphs that are faked on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.worker.engine.runners.fake_graphs import FakeGraphs
from worker.engine.core.capture_gate import CAPTURES
from worker.engine.core.types import EngineRequest
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.runners import cuda_graphs
from worker.engine.runners.cuda_graphs import LIVE_AFTER, CudaGraphs
from worker.engine.runners.cuda_step import StepShape

pytestmark = pytest.mark.slow

NO_MEMORY = torch.AcceleratorError("CUDA error: out of memory")
Load = Callable[..., ContinuousBatchingEngine]


def unusual(seed: int = 0, duration_s: float = 0.8) -> EngineRequest:
    """Ask for what is not captured at boot: it sorts."""
    return EngineRequest("calm piano", duration_s, seed=seed, top_p=0.9)


@pytest.fixture
def load(checkpoint: Callable[[str], Path]) -> Iterator[Load]:
    loaded: list[ContinuousBatchingEngine] = []

    def load(fake: FakeGraphs | None) -> ContinuousBatchingEngine:
        """Load an engine whose graphs are those; None: without graphs."""
        options = {"slots": 2, "runner": "cuda", "graphs": fake is not None}
        engine = ContinuousBatchingEngine.load(checkpoint("text"), **options)
        loaded.append(engine)
        if fake is not None:
            fake.attach(engine._runner)
        return engine

    yield load
    for engine in loaded:
        engine.close()


def codes(engine: ContinuousBatchingEngine, *requests: EngineRequest) -> list[np.ndarray]:
    handles = [engine.submit(request) for request in requests]
    return [handle.result().codes for handle in handles]


def test_common_shapes_are_captured_at_boot_and_replayed_to_the_same_codes(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeGraphs(monkeypatch)
    graphs = load(fake)
    graphs.warm_up(lambda done, total: None)
    runner: Any = graphs._runner
    assert fake.recorded == list(runner._buckets.common_shapes())
    request = EngineRequest("calm piano", 0.4, seed=3)
    assert np.array_equal(codes(graphs, request), codes(load(None), request))
    assert len(fake.replayed) > 20
    assert graphs.info.runner == "graphs"


def test_another_shape_gets_a_graph_after_half_a_second_of_steps_and_the_codes_stay(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeGraphs(monkeypatch)
    made = codes(load(fake), unusual())
    assert [shape.sorts for shape in fake.recorded] == [True]
    assert len(fake.replayed) == 40 + 3 - LIVE_AFTER
    assert np.array_equal(made, codes(load(None), unusual()))


@pytest.mark.parametrize(
    "error",
    [
        NO_MEMORY,
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB"),
        torch.AcceleratorError("CUDA error: operation failed due to a previous error during capture"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
    ids=lambda error: str(error)[:40],
)
def test_a_capture_that_fails_ends_nobody_and_its_shape_goes_on_without_a_graph(
    load: Load, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    fake = FakeGraphs(monkeypatch, lambda shape: error if shape.sorts else None)
    engine = load(fake)
    plain, strange = EngineRequest("calm piano", 0.8, seed=5), unusual(6)
    made = codes(engine, plain, strange)
    again = codes(engine, strange)
    expected = load(None)
    assert np.array_equal(made, codes(expected, plain, strange))
    assert np.array_equal(again, codes(expected, strange))
    assert engine.alive
    assert engine.slots == 2
    assert len([shape for shape in fake.tried if shape.sorts]) == len({shape for shape in fake.tried if shape.sorts})


def test_an_error_of_the_device_in_a_capture_breaks_the_engine(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The capture's own end then raises too, and hides it."""
    fake = FakeGraphs(monkeypatch, lambda shape: torch.AcceleratorError("CUDA error: an illegal memory access"))
    end = fake.end

    def ended() -> object:
        end()
        raise torch.AcceleratorError("CUDA error: operation failed due to a previous error during capture")

    monkeypatch.setattr(fake, "end", ended)
    engine = load(fake)
    with pytest.raises(Exception, match="engine is broken"):
        codes(engine, unusual())
    assert not engine.alive


def test_nothing_is_captured_while_another_thread_works_on_the_device(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeGraphs(monkeypatch)
    engine = load(fake)
    handle = engine.submit(unusual())
    with CAPTURES.working():
        while handle.progress.stage in ("waiting", "conditioning", "decoding"):
            pass
        assert fake.recorded == []
    handle.result()


def test_captures_between_steps_take_at_most_a_fiftieth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is fake: a step takes 10 ms on it, and a capture 100 ms."""
    clock, captured_at = [0.0], []

    def take_long(shape: StepShape) -> None:
        clock[0] += 0.1
        captured_at.append(clock[0])

    monkeypatch.setattr(cuda_graphs, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    fake = FakeGraphs(monkeypatch, take_long)
    fake.state, fake.step = [], lambda shape: None
    graphs = CudaGraphs(fake._run, torch.zeros(1), captures=True)
    one, other = (StepShape(1, 256, 64, halves, sorts=True) for halves in (1, 2))
    for shape in [one] * LIVE_AFTER + [other] * 1000:
        clock[0] += 0.01
        graphs.run(shape)
    assert fake.recorded == [one, other]
    assert captured_at[1] - captured_at[0] == pytest.approx(5.1, abs=0.02)  # 50 times as long as the first took
