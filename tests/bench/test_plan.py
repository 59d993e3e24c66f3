"""The order and the time limit of a benchmark's runs."""

from __future__ import annotations

from rich.console import Console

from bench.arena import ContestantFailed
from bench.plan import BY_WEIGHT, Case, Plan, Run, in_order
from worker.engine.core.types import Precision


class Clock:
    """Tell a time that passes only while a case runs."""

    def __init__(self) -> None:
        self.now = 0.0

    def case(
        self, batch_size: int, takes_s: float, contestant: str = "ostinato", precision: Precision = "fp32"
    ) -> Case:
        def run(duration_s: float, patience_s: float) -> Run:
            self.now += min(takes_s, patience_s)
            if takes_s > patience_s:
                raise ContestantFailed(f"had no answer after {patience_s:.0f} s")
            return Run(takes_s, 1000 * takes_s)

        return Case(contestant, precision, precision, batch_size, run)

    def plan(self, *order: Case, budget_s: float) -> Plan:
        plan = Plan(list(order), budget_s, clock=lambda: self.now)
        plan.run(10.0, Console(quiet=True))
        return plan


def test_what_the_time_does_not_allow_is_left_out_by_name() -> None:
    clock = Clock()
    peer, one, many = clock.case(1, 2.0, "audiocraft"), clock.case(1, 1.0), clock.case(16, 16.0)
    assert clock.plan(*in_order([peer], [many, one], promised=(1,)), budget_s=42.0).left_out == {}
    assert (len(peer.seconds), len(one.seconds), len(many.seconds)) == (3, 3, 1)
    one, starved = clock.case(1, 7.0), clock.case(16, 16.0)
    assert list(clock.plan(one, starved, one, budget_s=32.0).left_out) == [starved.name]
    assert (len(one.seconds), starved.seconds) == (2, [])


def test_every_peer_is_measured_before_any_of_ours_and_of_many_songs_the_lightest_weights_come_first() -> None:
    clock = Clock()
    peers = [clock.case(1, 3.0, name) for name in ("audiocraft", "openvino")]
    own = [clock.case(songs, 2.0, precision=precision) for precision in BY_WEIGHT[::-1] for songs in (1, 4, 16)]
    order = in_order(peers, own, promised=(1, 16))
    named = [(case.contestant if case in peers else case.precision, case.batch_size) for case in order]
    assert named[:2] == [("audiocraft", 1), ("openvino", 1)]
    assert named[2:7] == [("fp32", 1), ("fp16", 1), ("bf16", 1), ("int8", 1), ("int8", 16)]
    assert named[11:13] == [("openvino", 1), ("audiocraft", 1)]
    assert {case.name for case in order} == {case.name for case in [*peers, *own]}


def test_ours_are_measured_where_no_peer_is_left() -> None:
    clock = Clock()
    one = clock.case(1, 1.0)
    assert clock.plan(*in_order([], [one], promised=(1,)), budget_s=42.0).left_out == {}
    assert len(one.seconds) == 3


def test_one_that_hangs_is_left_out_and_the_others_have_their_turns_in_time() -> None:
    clock = Clock()
    peer, hangs, one = clock.case(1, 2.0, "audiocraft"), clock.case(16, 10_000.0), clock.case(1, 1.0)
    plan = clock.plan(peer, hangs, one, budget_s=400.0)
    assert plan.left_out == {hangs.name: "had no answer after 60 s"}
    assert (peer.seconds, one.seconds, one.step_ms) == ([2.0], [1.0], [1000.0])


def test_one_that_hangs_at_the_end_ends_with_the_time() -> None:
    clock = Clock()
    peer, hangs = clock.case(1, 20.0, "audiocraft"), clock.case(1, 10_000.0)
    clock.plan(peer, hangs, budget_s=50.0)
    assert clock.now <= 50.0 + 10.0


def test_one_that_fails_later_keeps_its_figures_and_says_so() -> None:
    clock = Clock()
    one = clock.case(1, 1.0)
    good = one.run

    def once(duration_s: float, patience_s: float) -> Run:
        if one.seconds:
            raise ContestantFailed("ended with exit code 1")
        return good(duration_s, patience_s)

    one.run = once
    plan = clock.plan(one, one, budget_s=100.0)
    assert one.seconds == [1.0]
    assert plan.left_out == {one.name: "a later run: ended with exit code 1"}


def test_what_has_not_run_is_guessed_by_the_same_engine_in_another_precision() -> None:
    def case(contestant: str, precision: Precision, batch_size: int, *seconds: float) -> Case:
        return Case(
            contestant, precision, precision, batch_size, lambda duration_s, patience_s: Run(0, None), [*seconds]
        )

    peer, one = case("audiocraft", "fp32", 1, 200.0), case("ostinato", "fp32", 1, 70.0)
    two, another = case("ostinato", "int8", 1), case("transformers", "fp32", 1)
    plan = Plan([peer, one, two, another], 0)
    assert (plan.estimate(two), plan.estimate(another)) == (70.0, 200.0)
