"""Describe a batch of the CPU's runner, and the pages of each sequence in it. Computes nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from worker.engine.model.sampler import SamplingParameters, seed_halves
from worker.engine.runners.sequence import Sequence


@dataclass(frozen=True)
class KvAllocation:
    """Name the cache pages that hold the keys and values of one sequence's window."""

    halves: tuple[list[int], ...]  # pages of each half
    text: list[int]  # pages of the text that the conditional half cross-attends to
    source: int  # positions of that text

    @property
    def pages(self) -> list[int]:
        return [*(page for half in self.halves for page in half), *self.text]


@dataclass(frozen=True)
class CpuBatch:
    """Hold what stays the same from step to step while no sequence joins or leaves the batch."""

    sequences: tuple[Sequence, ...]
    row_of: torch.Tensor  # [rows] which sequence a row belongs to
    rows: tuple[tuple[int, int], ...]  # sequence and half of each row
    conditional: int  # how many rows are conditional
    parameters: SamplingParameters
    guidance: torch.Tensor  # [sequences, 1, 1]
    cond_row: torch.Tensor  # [sequences] row of the conditional half, or of the only one
    null_row: torch.Tensor  # [sequences] row of the null half, or of the only one

    @classmethod
    def of(cls, sequences: tuple[Sequence, ...]) -> CpuBatch:
        conditional = [i for i, s in enumerate(sequences) if s.has_conditional_half]
        null = [i for i, s in enumerate(sequences) if s.halves == 2 or not s.has_conditional_half]
        rows = [*((i, "cond") for i in conditional), *((i, "null") for i in null)]
        row_index = {key: row for row, key in enumerate(rows)}
        firsts = [row_index.get((i, "cond"), row_index.get((i, "null"), 0)) for i in range(len(sequences))]
        lasts = [row_index.get((i, "null"), row_index.get((i, "cond"), 0)) for i in range(len(sequences))]
        requests = [s.request for s in sequences]
        return cls(
            sequences=sequences,
            row_of=torch.tensor([i for i, _ in rows]),
            rows=tuple((i, int(half == "null" and sequences[i].halves == 2)) for i, half in rows),
            conditional=len(conditional),
            parameters=SamplingParameters(
                torch.tensor([p.temperature for p in requests], dtype=torch.float32),
                torch.tensor([p.top_k for p in requests]),
                torch.tensor([p.top_p for p in requests], dtype=torch.float32),
                torch.tensor([seed_halves(p.seed) for p in requests], dtype=torch.int32),
                widest_top_k=max(p.top_k for p in requests),
                any_top_p=any(p.top_p > 0 for p in requests),
            ),
            guidance=torch.tensor([p.guidance_scale for p in requests], dtype=torch.float32)[:, None, None],
            cond_row=torch.tensor(firsts),
            null_row=torch.tensor(lasts),
        )
