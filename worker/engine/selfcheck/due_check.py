"""Hold a check that is to be done before an engine's first request (`DueCheck`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from worker.engine.imports.audiocraft import MusicGen
from worker.engine.model.delay_pattern import DelayPattern
from worker.engine.selfcheck.compare import Findings, StepCheck, compare_waveform
from worker.engine.selfcheck.kept import KeptChecks
from worker.engine.selfcheck.reference import Reference


@dataclass(frozen=True)
class DueCheck:
    """Check an engine against a reference that was computed when its model was loaded."""

    reference: Reference
    checks: KeptChecks
    key: str

    @classmethod
    def of(cls, model: MusicGen, pattern: DelayPattern, checks: KeptChecks | None, key: str) -> DueCheck | None:
        """Compute the reference if the check is due; call it while the model has its weights."""
        if checks is None or not checks.is_due(key):
            return None
        return cls(Reference.of(model, pattern), checks, key)

    def run(
        self,
        steps: StepCheck,
        in_decode_thread: Callable[[Callable[[], None]], None],
        decode: Callable[[torch.Tensor], torch.Tensor],
    ) -> tuple[str, ...]:
        """Compare steps and codec, keep a passed check, and return the findings. Raises SelfCheckFailed."""
        findings = Findings()
        in_decode_thread(lambda: steps.compare_logits(self.reference, findings))
        in_decode_thread(lambda: steps.compare_codes(findings))
        compare_waveform(decode(self.reference.codes), self.reference, findings)
        found = findings.settle()
        self.checks.keep(self.key, found)
        return found
