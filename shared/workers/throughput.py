"""Measure how fast a model's workers have been of late, and estimate the waiting time by that.

A slot makes music at the rate of the last finished jobs; the jobs ahead take the slots as these come free. Knows
nothing of Redis: the figures are given, as lua/commands/throughput.lua answers them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RUN_FIELDS = ("audio_ms", "started_ms", "step", "steps")  # of each job that runs
LONGEST_RETRY_S = 3600
DEFAULT_RETRY_S = 5  # while nothing is known


@dataclass(frozen=True)
class Run:
    """Describe a running job: the seconds of audio it makes, for how long it has run, and the share that is done."""

    audio_s: float
    elapsed_s: float
    done: float


@dataclass(frozen=True)
class Throughput:
    """Estimate waits.

    `finished` are (seconds of audio, seconds of run time) of the last jobs; `waiting_audio_s` is their mean.
    """

    finished: Sequence[tuple[float, float]]
    running: Sequence[Run]
    waiting_audio_s: float

    @property
    def audio_s_per_s(self) -> float | None:
        """Return one slot's speed among its neighbours.

        Before a job has finished, what runs must do; None: nothing is known.
        """
        audio_s = sum(audio for audio, _ in self.finished) or sum(run.audio_s * run.done for run in self.running)
        run_s = sum(run for _, run in self.finished) or sum(run.elapsed_s for run in self.running if run.done)
        return audio_s / run_s if audio_s and run_s else None

    def wait_s(self, ahead: int, slots: int) -> float | None:
        """Return the wait until a job begins that many claims from now, over that many slots; None while unknown."""
        rate = self.audio_s_per_s
        slots = max(slots, len(self.running))
        if rate is None or not slots:
            return None
        free_in_s = [self._left_s(run, rate) for run in self.running] + [0.0] * (slots - len(self.running))
        rounds, nth = divmod(ahead, slots)
        return sorted(free_in_s)[nth] + rounds * self.waiting_audio_s / rate

    def run_s(self, audio_s: float) -> float | None:
        rate = self.audio_s_per_s
        return None if rate is None else audio_s / rate

    def retry_after_s(self, slots: int, positions: int = 1) -> int:
        """Return when that many places in a full line come free: one at each claim."""
        wait_s = self.wait_s(positions - 1, slots)
        return DEFAULT_RETRY_S if wait_s is None else min(LONGEST_RETRY_S, max(1, math.ceil(wait_s)))

    @staticmethod
    def _left_s(run: Run, rate: float) -> float:
        return max(0.0, run.audio_s / rate - run.elapsed_s) if not run.done else run.elapsed_s * (1 / run.done - 1)


def throughput_of(
    now_ms: int, waiting: int, audio_ms: int, finished: Sequence[str], running: Sequence[int]
) -> Throughput:
    """Read the figures. `finished` are `<audio ms>:<run ms>` each, `running` the RUN_FIELDS of job after job."""
    pairs = [(int(audio) / 1000, int(run) / 1000) for audio, _, run in (pair.partition(":") for pair in finished)]
    mean_s = audio_ms / waiting / 1000 if waiting else sum(audio for audio, _ in pairs) / max(1, len(pairs))
    jobs = zip(*[iter(running)] * len(RUN_FIELDS), strict=True)
    return Throughput(pairs, [_run(dict(zip(RUN_FIELDS, job, strict=True)), now_ms) for job in jobs], mean_s)


def _run(job: Mapping[str, int], now_ms: int) -> Run:
    done = job["step"] / job["steps"] if job["steps"] else 0.0
    return Run(job["audio_ms"] / 1000, max(0, now_ms - job["started_ms"]) / 1000, done)
