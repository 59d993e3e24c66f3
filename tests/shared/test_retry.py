"""The one loop that tries again: what it returns, what it raises, and for how long it goes on."""

from __future__ import annotations

import itertools
import time

import pytest

from shared.retry import Backoff, retry_until

SOON = Backoff(0.001)


def test_an_error_of_a_named_kind_is_retried_until_the_action_works() -> None:
    tries = iter([ConnectionError("first"), TimeoutError("second"), "worked"])
    told: list[Exception | None] = []

    def action() -> str:
        result = next(tries)
        if isinstance(result, Exception):
            raise result
        return result

    result = retry_until(
        time.monotonic() + 5.0,
        action,
        errors=(ConnectionError, TimeoutError),
        backoff=SOON,
        before_retry=lambda error, left_s: told.append(error),
    )
    assert (result, list(map(str, told))) == ("worked", ["first", "second"])


def test_an_error_of_another_kind_is_raised_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        retry_until(time.monotonic() + 5.0, lambda: 1 // 0, errors=ValueError, backoff=Backoff(60.0))


def test_at_the_deadline_the_last_error_is_raised() -> None:
    numbers = itertools.count()

    def action() -> None:
        raise ValueError(next(numbers))

    since = time.monotonic()
    with pytest.raises(ValueError, match=r"[1-9]"):
        retry_until(since + 0.05, action, errors=ValueError, backoff=Backoff(0.01))
    assert 0.05 <= time.monotonic() - since < 1.0


def test_a_result_that_is_not_done_is_waited_for_and_the_last_one_is_returned_at_the_deadline() -> None:
    numbers = itertools.count()
    assert retry_until(time.monotonic() + 5.0, lambda: next(numbers), is_done=lambda n: n == 3, backoff=SOON) == 3
    assert retry_until(time.monotonic() + 0.05, lambda: next(numbers), is_done=lambda n: False, backoff=SOON) > 4


def test_a_deadline_that_is_past_still_allows_one_try_and_no_pause() -> None:
    assert retry_until(time.monotonic() - 1.0, lambda: "once", is_done=lambda _: False, backoff=Backoff(60.0)) == "once"


def test_pauses_grow_to_their_longest_and_spread() -> None:
    assert list(itertools.islice(Backoff(1.0, most_s=5.0, factor=2.0).pauses(), 4)) == [1.0, 2.0, 4.0, 5.0]
    spread = list(itertools.islice(Backoff(1.0, jitter=0.2).pauses(), 100))
    assert 0.8 <= min(spread) < 0.9 < 1.1 < max(spread) <= 1.2
