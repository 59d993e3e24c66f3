"""A webhook that failed is tried again soon, then ever later, and a last time at the end of its span."""

from __future__ import annotations

from itertools import pairwise

import pytest

from housekeeping.webhooks.retry_schedule import FIRST_WAIT_S, next_try_at

DAY_S = 24 * 3600.0


def schedule(span_s: float, retry_after_s: float | None = None) -> list[float]:
    """Return the seconds from the event to every try, when each takes no time and fails."""
    tries = [0.0]
    while (at := next_try_at(1000.0, 1000.0 + tries[-1], len(tries), span_s, retry_after_s)) is not None:
        tries.append(at - 1000.0)
        assert len(tries) < 100
    return tries


def test_over_a_day_the_first_retries_come_within_a_minute_and_the_last_at_its_end() -> None:
    tries = schedule(DAY_S)
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert 4 <= waits[0] <= 6
    assert 16 <= waits[1] <= 24
    assert max(waits) <= 1.2 * DAY_S / 4
    assert DAY_S - FIRST_WAIT_S <= tries[-1] <= DAY_S
    assert 9 <= len(tries) <= 14


def test_a_short_span_has_its_retries_close_together() -> None:
    tries = schedule(10.0)
    assert tries[1] <= 0.6
    assert 9.5 <= tries[-1] <= 10.0  # a try within a first wait of the end is the last one
    assert len(tries) >= 5


def test_without_a_span_there_is_one_try() -> None:
    assert schedule(0.0) == [0.0]


def test_the_waits_of_many_deliveries_differ() -> None:
    assert len({next_try_at(0.0, 0.0, 3, DAY_S, None) for _ in range(50)}) == 50


@pytest.mark.parametrize(("asked_s", "at"), [(600.0, 600.0), (0.0, None), (10 * DAY_S, DAY_S)])
def test_a_receivers_retry_after_is_kept_to_within_the_span(asked_s: float, at: float | None) -> None:
    found = next_try_at(0.0, 0.0, 1, DAY_S, asked_s)
    assert found == at if at is not None else found is not None and found < 10


def test_after_the_span_nothing_is_tried_even_if_this_clock_runs_behind() -> None:
    assert next_try_at(0.0, DAY_S - 0.5, 9, DAY_S, None) is None
    assert next_try_at(0.0, DAY_S + 5, 1, DAY_S, None) is None
