from __future__ import annotations

from bench.waiting import Reading, figures


def test_what_is_foretold_is_held_against_what_came_and_nothing_told_is_counted_apart() -> None:
    ended = {"a": 110.0, "b": 140.0}
    line = figures(
        [
            Reading("a", False, 100.0, 12.5),
            Reading("a", False, 109.5, 1.4),  # off by less than a second
            Reading("b", True, 100.0, None),
            Reading("b", True, 100.0, 50.0),
            Reading("b", True, 120.0, 30.0),
        ],
        ended,
    )
    assert (line["running_readings"], line["running_untold"], line["running_within_30_percent"]) == (2, 0, 1.0)
    assert (line["waiting_readings"], line["waiting_untold"], line["waiting_within_30_percent"]) == (3, 1, 0.5)
    assert line["waiting_median_error"] == 0.375
