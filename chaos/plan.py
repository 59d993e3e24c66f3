"""Draw a chaos run's jobs and faults from one seed before it begins.

Times are counted in boots, the measured time that a worker takes to come up: a machine that boots slower is given
more time between two kills, and the order of events stays the same.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

PROMPTS = ("calm piano", "slow sad strings", "fast drums", "warm synth pad", "bright guitar", "walking bass")
KILL_GAP_BOOTS = (1.4, 3.2)  # from one kill to the next: 2.3 on average
OUTAGE_GAP_BOOTS = (0.1, 0.9)  # an outage falls between two kills, while one worker is still coming up
SHARE_AT_THE_FAULT = 0.4  # of the jobs
BROKER_OUTAGE_S = (0.5, 4.0)
STORAGE_OUTAGE_S = (10.0, 25.0)


class Kind(StrEnum):
    WORKER = "worker"
    BROKER = "broker"
    STORAGE = "storage"


@dataclass(frozen=True)
class Fault:
    """Plan one fault. `gap_boots` is counted from the last kill; `choice` (0 to 1) picks the victim."""

    kind: Kind
    gap_boots: float
    choice: float
    outage_s: float = 0.0


@dataclass(frozen=True)
class JobSpec:
    """Describe one job to submit. `due` says when, counted in faults."""

    number: int
    key: str
    due: float
    seed: int
    fields: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    jobs: int = 500
    kills: int = 50
    broker_kills: int = 2
    storage_stops: int = 1
    workers: int = 3
    seed: int = 0
    duration_s: tuple[float, float] = (4.0, 20.0)
    pace: float = 1.0  # of gaps and outages; below 1, kills come closer than the promise of recovery is made for

    def faults(self) -> list[Fault]:
        dice = random.Random(f"strikes {self.seed}")
        gaps = [self.pace * dice.uniform(*KILL_GAP_BOOTS) for _ in range(self.kills)]
        faults = [Fault(Kind.WORKER, gap, dice.random()) for gap in gaps]
        outages = [(Kind.BROKER, BROKER_OUTAGE_S)] * self.broker_kills
        outages += [(Kind.STORAGE, STORAGE_OUTAGE_S)] * self.storage_stops
        dice.shuffle(outages)
        for number, (kind, length_s) in reversed(list(enumerate(outages, 1))):
            at = number * self.kills // (len(outages) + 1)  # spread evenly, each after a kill
            gap, outage_s = dice.uniform(*OUTAGE_GAP_BOOTS), dice.uniform(*length_s)
            fault = Fault(kind, self.pace * gap, dice.random(), self.pace * outage_s)
            faults.insert(max(1, at), fault)
        return faults

    def specs(self) -> list[JobSpec]:
        """Draw the jobs, with distinct seeds.

        Of the jobs for one fault some come before it, and some just when it falls, so that there is always something to
        interrupt.
        """
        dice = random.Random(f"wishes {self.seed}")
        faults = self.kills + self.broker_kills + self.storage_stops
        return [
            JobSpec(
                number,
                key=f"chaos-{self.seed}-{number}",
                due=_due(number * faults / self.jobs),
                seed=self.seed * 1_000_000 + number,
                fields={"prompt": dice.choice(PROMPTS), "duration": round(dice.uniform(*self.duration_s), 1)},
            )
            for number in range(self.jobs)
        ]


def _due(at: float) -> float:
    """Spread jobs evenly over a fault's gap first; what would come in its last part waits for the fault itself."""
    fault, part = divmod(at, 1)
    return fault + min(1.0, part / (1 - SHARE_AT_THE_FAULT))
