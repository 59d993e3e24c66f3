"""Keep what a check finds (`Findings`): a line of text for each, and all of it as JSON."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

NO_GPU = "no GPU"  # why a figure is not measured, where only a GPU has it


@dataclass
class Findings:
    """Print each finding at once, and collect it. Times are wall-clock, since another process may go on with it."""

    began_at: float = field(default_factory=time.time)
    step: str = ""  # the one that runs now
    good: dict[str, str] = field(default_factory=dict)  # what was compared, and is right
    bad: dict[str, str] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)  # figure -> why
    left_out: dict[str, str] = field(default_factory=dict)  # step -> why

    @property
    def elapsed_s(self) -> float:
        return time.time() - self.began_at

    def measured(self, sentence: str, **figures: Any) -> None:
        """Say what was measured, and keep the figures under the step's name."""
        self.figures.setdefault(self.step, {}).update({k: rounded(v) for k, v in figures.items()})
        self._print(sentence)

    def compared(self, name: str, sentence: str, *, good: bool) -> None:
        """Say what a comparison found."""
        (self.good if good else self.bad)[f"{self.step}: {name}"] = sentence
        self._print(f"{'good' if good else 'BAD'}: {name}: {sentence}")

    def lacks(self, name: str, why: str) -> None:
        """Say what this device, or the time, does not allow to measure."""
        self.not_measured[f"{self.step}: {name}"] = why
        self._print(f"{name}: not measured: {why}")

    def leave_out(self, step: str, why: str) -> None:
        """Say that a step is left out."""
        self.left_out[step], self.step = why, step
        self._print(f"left out: {why}")

    def _print(self, sentence: str) -> None:
        print(f"[{self.elapsed_s:4.0f} s] {self.step}: {sentence}", flush=True)

    def as_json(self) -> str:
        """Return the line that ends a check."""
        kept = {name: value for name, value in asdict(self).items() if name not in ("began_at", "step")}
        return json.dumps({**kept, "wall_s": round(self.elapsed_s, 1)})

    def save(self, path: Path) -> None:
        """Write everything to a file, for the process that goes on."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Findings:
        """Read what another process has found."""
        return cls(**json.loads(path.read_text()))


def rounded(value: Any) -> Any:
    """Return it with four digits, where it is a fraction."""
    return float(f"{value:.4g}") if isinstance(value, float) else value
