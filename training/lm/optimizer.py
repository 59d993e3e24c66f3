"""Optimise the language model's weights: Muon for the transformer's matrices, Adam for everything else.

Muon (Jordan et al. 2024) steps along the nearest orthogonal matrix to the momentum, so that rare but telling
directions move as far as common ones. No weight decay: pieces never repeat, and decay would wear off what start.py
wrote. Rows whose gradient is held at zero stay as they are.
"""

from typing import Any

import torch

from worker.engine.imports.audiocraft import LMModel

MUON_RATE = 8.0  # Muon's rate over Adam's


def orthogonal(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Approximate the orthogonal factor of a matrix, by Newton-Schulz iteration."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x: torch.Tensor = wide / (wide.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x if wide is matrix else x.T


class Muon(torch.optim.Optimizer):
    """Step along momentum made orthogonal. Queries, keys and values, packed in one matrix, are taken apart."""

    def __init__(self, params: list[torch.nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: object = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.move(parameter, parameter.grad, group["lr"], group["momentum"])

    def move(self, parameter: torch.nn.Parameter, gradient: torch.Tensor, rate: float, momentum: float) -> None:
        state = self.state[parameter]
        if not state:
            state["velocity"] = torch.zeros_like(parameter)
        velocity = state["velocity"].lerp_(gradient, 1 - momentum)
        ahead = gradient.lerp(velocity, momentum)
        parts = ahead.chunk(3) if ahead.shape[0] == 3 * ahead.shape[1] else (ahead,)
        moved = [orthogonal(part) * max(1.0, part.shape[0] / part.shape[1]) ** 0.5 for part in parts]
        parameter.add_(torch.cat(moved), alpha=-rate)


class Optimizer:
    """Run both optimizers as one."""

    def __init__(self, lm: LMModel, rate: float) -> None:
        matrices = [p for name, p in lm.named_parameters() if name.startswith("transformer.") and p.dim() == 2]
        in_muon = {id(p) for p in matrices}
        others = [p for p in lm.parameters() if id(p) not in in_muon]
        self.muon = Muon(matrices, MUON_RATE * rate)
        self.adam = torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.97), weight_decay=0.0)

    def set_rate(self, rate: float) -> None:
        for optimizer, factor in ((self.muon, MUON_RATE), (self.adam, 1.0)):
            for group in optimizer.param_groups:
                group["lr"] = factor * rate

    def zero_grad(self) -> None:
        self.muon.zero_grad(set_to_none=True)
        self.adam.zero_grad(set_to_none=True)

    def step(self) -> None:
        self.muon.step()
        self.adam.step()

    def state_dict(self) -> dict[str, object]:
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict[str, dict[str, object]]) -> None:
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
