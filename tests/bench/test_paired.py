from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from bench.paired import LEAST_PAIRS, Comparison, bootstrap, tail_ratio, typical_ratio


def test_the_interval_holds_the_true_ratio_though_the_machine_changes_its_speed() -> None:
    random = np.random.default_rng(1)
    inside = 0
    for _ in range(40):
        speeds = 100 * random.lognormal(0, 1.0, 30)  # of the machine, at each pair
        noise = random.lognormal(0, 0.1, (30, 2))
        pairs = [(1.3 * speed * a, speed * b) for speed, (a, b) in zip(speeds, noise, strict=True)]
        ratio = bootstrap(pairs, typical_ratio, draws=200)
        inside += ratio.low <= 1.3 <= ratio.high
        assert ratio.spread < 0.25  # though rounds of one program vary threefold
    assert inside >= 34  # of 40, nominally 38


def test_it_goes_on_until_the_interval_is_narrow_and_turns_the_order_around() -> None:
    called = ""

    def one() -> float:
        nonlocal called
        called += "a"
        return 3.0

    def other() -> float:
        nonlocal called
        called += "b"
        return 2.0

    ratio = Comparison(one, other, typical_ratio).run(within=0.1, budget_s=60.0)
    assert (ratio.value, ratio.low, ratio.high, ratio.pairs) == (1.5, 1.5, 1.5, LEAST_PAIRS)
    assert called == "ab" + "abba" * (LEAST_PAIRS // 2)


def test_noise_takes_more_pairs_and_the_time_bounds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr("bench.paired.time.monotonic", lambda: float(next(clock)))
    noisy = itertools.cycle([1.0, 9.0, 2.0, 7.0])
    ratio = Comparison(lambda: next(noisy), lambda: 1.0, typical_ratio, draws=50).run(within=0.1, budget_s=30.0)
    assert 4 < ratio.pairs <= 30, "other threads read that clock too"
    assert ratio.spread > 0.1


def test_without_time_for_a_single_pair_more_there_is_still_an_answer() -> None:
    ratio = Comparison(lambda: 2.0, lambda: 1.0, typical_ratio, draws=5).run(within=0.1, budget_s=0.0)
    assert (ratio.value, ratio.pairs) == (2.0, 1)


def test_slow_answers_are_counted_over_all_rounds() -> None:
    slow, fast = [1.0] * 98 + [50.0] * 2, [1.0] * 98 + [10.0] * 2
    assert math.isclose(tail_ratio([(slow, fast), (slow, fast)]), 5.0)
