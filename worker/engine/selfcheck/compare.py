"""Compare what a runner and a codec compute with a reference, by bounds of each precision. Runs in the decode thread.

* Logits: `STEPS` steps over given codes, the first of them prefilled, against audiocraft's own in float32.
* Codes: a second of greedy music, against the same steps in their plainest form (a graph's without the graph, the
  kernels' in C by torch). A code may differ only where the plain logits hardly tell the two tokens apart.
* Codec: a second of given codes, against audiocraft's own decode.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from worker.engine.core.failures import RunnerFailed
from worker.engine.core.handle import Handle
from worker.engine.core.types import EngineInfo, EngineRequest, Precision
from worker.engine.model.conditioning import Conditions
from worker.engine.model.delay_pattern import DelayPattern
from worker.engine.model.windows import Frames
from worker.engine.runners.base import Runner
from worker.engine.runners.sequence import Sequence
from worker.engine.selfcheck.reference import FRAMES, KNOWN, PROMPT, STEPS, Reference

# the largest difference of logits that is rounding, as a share of the largest logit
BOUNDS: dict[Precision, float] = {"fp32": 1e-4, "fp16": 0.02, "bf16": 0.02, "int8": 0.05}
INT8_BY_TORCH = 0.1  # whose activations have 7 bits
CODEC_DB = 40.0  # signal to noise, at least
GUIDANCE = 3.0
GUIDED = 2 * GUIDANCE - 1  # times as large as both halves' errors, the error of guided logits may be


class SelfCheckFailed(RunnerFailed):
    """Say what an engine computes otherwise than audiocraft does."""


@dataclass
class Findings:
    """Collect what was compared, in sentences, and which of it is wrong."""

    good: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def note(self, sentence: str, *, good: bool) -> None:
        (self.good if good else self.wrong).append(sentence)

    def settle(self) -> tuple[str, ...]:
        """Return the sentences. Raises SelfCheckFailed with those that are wrong."""
        if self.wrong:
            raise SelfCheckFailed(f"self-check: {'; '.join(self.wrong)}")
        return tuple(self.good)


def greedy_request(frame_rate_hz: float) -> EngineRequest:
    """Return the request that is decoded for the check."""
    return EngineRequest(PROMPT, FRAMES / frame_rate_hz, temperature=0.0, guidance_scale=GUIDANCE)


@dataclass(frozen=True)
class StepCheck:
    """Compare a runner's steps. The runner has no other sequence meanwhile."""

    runner: Runner
    info: EngineInfo
    pattern: DelayPattern
    conditions: Conditions
    request: EngineRequest

    @property
    def bound(self) -> float:
        """Return the largest difference of logits that is rounding, as a share of the largest logit."""
        by_torch = self.info.precision == "int8" and self.info.kernels == "torch"
        return INT8_BY_TORCH if by_torch else BOUNDS[self.info.precision]

    def compare_logits(self, reference: Reference, findings: Findings) -> None:
        """Compare the logits over the reference's codes with audiocraft's."""
        if reference.logits is None:
            return
        tokens = self.pattern.lay_out(FRAMES, reference.codes)
        logits = self._observe(self.runner, tokens, reference.codes[:, :KNOWN], STEPS)
        if not bool(logits.isfinite().all()):
            findings.note("logits are not numbers", good=False)
            return
        largest = float(reference.logits.abs().max())
        share = float((logits - reference.logits).abs().max()) / largest
        said = f"logits of {STEPS} steps in {self.info.precision} differ from audiocraft's in float32 by {share:.2g}"
        findings.note(f"{said} of the largest (at most {self.bound:g})", good=share <= self.bound)

    def compare_codes(self, findings: Findings) -> None:
        """Compare greedy codes with the plainest form of the same steps, where the runner has another one."""
        tokens = self._decode()
        with self.runner.plainly() as plain:
            if plain is None:
                return
            logits = self._observe(plain, tokens, tokens[:, :0], tokens.shape[1] - 1)
        cond, null = logits[0], logits[1]
        guided = null + (cond - null) * GUIDANCE  # [codebooks, steps, card], each step predicting the next token
        chosen = tokens[:, 1:, None]
        sampled = chosen < self.pattern.special  # the others stand where there is no frame
        behind = guided.amax(dim=-1, keepdim=True) - guided.gather(-1, chosen.clamp(max=self.pattern.special - 1))
        wrong = sampled & ~(behind <= GUIDED * self.bound * float(logits.abs().max()))  # NaN is wrong
        count = int(wrong.sum())
        findings.note(
            f"{count} of {int(sampled.sum())} greedy codes are not those of plain steps",
            good=count == 0,
        )

    def _observe(self, runner: Runner, tokens: torch.Tensor, known: torch.Tensor, steps: int) -> torch.Tensor:
        """Step over given tokens, the known frames prefilled. -> [halves, codebooks, steps, card] float32"""
        sequence = self._sequence(known)
        conditions = sequence.next_window()
        sequence.tokens = tokens.clone()
        runner.prefill(sequence, conditions)
        try:
            found = [runner.observe(sequence) for _ in range(steps)]
        finally:
            runner.release(sequence)
        return torch.stack(found, dim=2).float().cpu()

    def _decode(self) -> torch.Tensor:
        """Decode greedily. -> the tokens of all steps, [codebooks, steps]"""
        sequence = self._sequence(None)
        self.runner.prefill(sequence, sequence.next_window())
        try:
            while not sequence.done:
                if any(not finite for _, finite in self.runner.step([sequence])):
                    raise SelfCheckFailed("self-check: greedy logits are not numbers")
        finally:
            self.runner.release(sequence)
        return sequence.tokens

    def _sequence(self, known: torch.Tensor | None) -> Sequence:
        frames = Frames(FRAMES, FRAMES, FRAMES, 0 if known is None else known.shape[1])
        return Sequence(Handle(self.request, FRAMES), frames, self.pattern, [self.conditions], known)


def compare_waveform(made: torch.Tensor, reference: Reference, findings: Findings) -> None:
    """Compare the codec's samples with audiocraft's. made [channels, samples]"""
    expected = reference.waveform[:, : made.shape[1]]
    signal, noise = float(expected.pow(2).sum()), float((made - expected).pow(2).sum())
    if not math.isfinite(noise) or made.shape != reference.waveform.shape:
        findings.note("the codec's samples are not numbers, or not as many as audiocraft's", good=False)
        return
    decibels = 10 * math.log10(max(signal, 1e-20) / max(noise, 1e-20))
    findings.note(
        f"the codec is at {decibels:.0f} dB of audiocraft's (at least {CODEC_DB:g})", good=decibels >= CODEC_DB
    )
