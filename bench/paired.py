"""Compare two programs by short rounds in turns, until the interval of their ratio is narrow or the time is over.

The machine's speed changes from minute to minute, and far less from one short round to the next: only the two rounds of
a pair are compared with each other. Which of them comes first alternates. The interval is the 95 % percentile bootstrap
(Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13): pairs are drawn with replacement, and the
statistic of each draw is taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

R = TypeVar("R")
Pairs = Sequence[tuple[R, R]]

DRAWS = 1000
LEAST_PAIRS = 12  # fewer tell nothing of how they vary


@dataclass(frozen=True)
class Ratio:
    """Hold what was measured, between `low` and `high` with 95 % confidence."""

    value: float
    low: float
    high: float
    pairs: int

    @property
    def spread(self) -> float:
        """Return how far the interval's ends are from the value, as a share of it; the farther one."""
        return max(self.value - self.low, self.high - self.value) / self.value

    def __str__(self) -> str:
        return f"{self.value:.2f} x ({self.low:.2f} to {self.high:.2f}, {self.pairs} pairs)"


def bootstrap(pairs: Pairs[R], statistic: Callable[[Pairs[R]], float], *, draws: int = DRAWS) -> Ratio:
    """Return the statistic of the pairs and its interval. The draws are the same at each call."""
    random = np.random.default_rng(0)
    drawn = [statistic([pairs[n] for n in random.integers(len(pairs), size=len(pairs))]) for _ in range(draws)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Ratio(statistic(pairs), float(low), float(high), len(pairs))


@dataclass
class Comparison(Generic[R]):
    """Measure two in turns.

    `one` and `other` are single rounds; `statistic` makes a ratio of any number of pairs of them.
    """

    one: Callable[[], R]
    other: Callable[[], R]
    statistic: Callable[[Pairs[R]], float]
    draws: int = DRAWS

    def run(self, *, within: float, budget_s: float) -> Ratio:
        """Return the ratio once its spread is at most `within`, or after `budget_s` seconds, with what there is then.

        The first pair only warms both up.
        """
        give_up_at = time.monotonic() + budget_s
        self._pair(0)
        pairs: list[tuple[R, R]] = []
        while True:
            pairs.append(self._pair(len(pairs)))
            out_of_time = time.monotonic() >= give_up_at
            if len(pairs) >= LEAST_PAIRS or out_of_time:
                ratio = bootstrap(pairs, self.statistic, draws=self.draws)
                if out_of_time or ratio.spread <= within:
                    return ratio

    def _pair(self, number: int) -> tuple[R, R]:
        return measure_pair(self.one, self.other, number)


def measure_pair(one: Callable[[], R], other: Callable[[], R], number: int) -> tuple[R, R]:
    """Measure a round of each, the one first in pairs of an even number, and return the two in the given order."""
    if number % 2 == 0:
        return one(), other()
    second = other()
    return one(), second


def typical_ratio(pairs: Pairs[float]) -> float:
    """Return the median of the pairs' own ratios: one round that met a busy machine moves it little."""
    return float(np.median([one / other for one, other in pairs]))


def tail_ratio(pairs: Pairs[Sequence[float]]) -> float:
    """Return the 99th percentile of all latencies of the one over the other's: a single round has too few slow ones."""
    one, other = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    return float(np.percentile(one, 99) / np.percentile(other, 99))
