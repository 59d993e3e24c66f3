"""Stand in for CUDA's graphs on a CPU: recording changes nothing, and a replay runs the recorded step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from worker.engine.runners.cuda_runner import CudaRunner
from worker.engine.runners.cuda_step import StepShape

Fault = Callable[[StepShape], Exception | None]


class FakeGraphs:
    """Record and replay the steps of one runner. `fault`: what a capture of that shape raises."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fault: Fault = lambda shape: None) -> None:
        self.recorded: list[StepShape] = []
        self.tried: list[StepShape] = []
        self.replayed: list[StepShape] = []
        self.fault = fault
        self._capturing = False
        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
        kind = type("Graph", (FakeGraph,), {"of": self})  # a class, as others name it in annotations
        monkeypatch.setattr(torch.cuda, "CUDAGraph", kind)

    def attach(self, runner: CudaRunner) -> None:
        """Step that runner, which was made to capture."""
        state = runner._state
        self.state = [state.numbers, state.tokens, state.outcome]
        self.step, runner._graphs._run = runner._graphs._run, self._run

    def _run(self, shape: StepShape) -> None:
        if self._capturing:
            self.tried.append(shape)
            if error := self.fault(shape):
                raise error
        self.step(shape)

    def begin(self) -> None:
        self._capturing, self._before = True, [tensor.clone() for tensor in self.state]

    def end(self) -> StepShape:
        self._capturing = False
        for tensor, before in zip(self.state, self._before, strict=True):
            tensor.copy_(before)
        return self.tried[-1]


class FakeGraph:
    """Be one graph."""

    of: FakeGraphs

    def capture_begin(self, pool: object, capture_error_mode: str) -> None:
        assert capture_error_mode == "thread_local"
        self.of.begin()

    def capture_end(self) -> None:
        self._shape = self.of.end()
        self.of.recorded.append(self._shape)

    def replay(self) -> None:
        self.of.replayed.append(self._shape)
        self.of.step(self._shape)
