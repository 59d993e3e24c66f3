"""Drive a `CudaRunner` by hand, without an engine (`RunnerDriver`). Asserts that logits are numbers, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from worker.engine.core.handle import Handle
from worker.engine.core.types import EngineRequest
from worker.engine.model.conditioning import Conditioner
from worker.engine.model.decoder import Decoder
from worker.engine.model.delay_pattern import pattern_of
from worker.engine.model.loading import load_musicgen
from worker.engine.model.memory import Capacity
from worker.engine.runners.cuda_runner import CudaRunner
from worker.engine.runners.cuda_step import StepShape
from worker.engine.runners.sequence import Frames, Sequence


class RunnerDriver:
    """Drive a `CudaRunner` on a checkpoint by hand: no engine, no threads."""

    def __init__(self, folder: Path, slots: int, device: str = "cpu", **options: Any) -> None:
        self.model = load_musicgen(folder, device)
        self.decoder = Decoder(self.model.lm, "fp32" if device == "cpu" else "fp16")
        self.capacity = Capacity.of(self.model, pattern_of(self.model).steps(1500))
        self.runner = CudaRunner(self.decoder, self.capacity, slots, **options)
        self.shapes: list[StepShape] = []  # of the steps so far
        run = self.runner._graphs.run

        def record_and_run(shape: StepShape) -> None:
            self.shapes.append(shape)
            run(shape)

        vars(self.runner._graphs)["run"] = record_and_run

    def new_sequence(self, frames: int, **changes: object) -> Sequence:
        request = EngineRequest(**{"prompt": "calm piano", "duration_s": frames / 50, **changes})
        conditions = Conditioner(self.model).encode(request)
        return Sequence(Handle(request, frames), Frames(frames, 1500, 900), pattern_of(self.model), [conditions])

    def prefill(self, *sequences: Sequence) -> None:
        for sequence in sequences:
            self.runner.prefill(sequence, sequence.next_window())

    def run_to_end(self, *sequences: Sequence) -> None:
        """Prefill and step these sequences until all have ended."""
        with torch.inference_mode(), self.runner.context():
            self.prefill(*sequences)
            while left := [sequence for sequence in sequences if not sequence.done]:
                for sequence, finite in self.runner.step(left):
                    assert finite
                    if sequence.done:
                        self.runner.release(sequence)

    def codes(self, sequence: Sequence) -> np.ndarray:
        return sequence.all_codes().numpy()
