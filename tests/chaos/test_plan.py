"""A chaos run's plan: the same for the same seed, and as hard as it says."""

from __future__ import annotations

import pytest

from chaos.plan import Kind, Plan


def test_the_same_seed_plans_the_same_and_another_does_not() -> None:
    plan, again, other = Plan(seed=1), Plan(seed=1), Plan(seed=2)
    assert (plan.strikes(), plan.wishes()) == (again.strikes(), again.wishes())
    assert plan.strikes() != other.strikes()
    assert plan.wishes() != other.wishes()


@pytest.mark.parametrize("plan", [Plan(), Plan(jobs=12, kills=2, broker_kills=1), Plan(kills=1, storage_stops=0)])
def test_it_strikes_as_often_as_it_says_and_begins_with_a_worker(plan: Plan) -> None:
    kinds = [strike.kind for strike in plan.strikes()]
    assert [kinds.count(kind) for kind in Kind] == [plan.kills, plan.broker_kills, plan.storage_stops]
    assert kinds[0] is Kind.WORKER


def test_the_mean_gap_between_kills_is_at_least_two_boots() -> None:
    gaps = [strike.gap_boots for strike in Plan(seed=3).strikes() if strike.kind is Kind.WORKER]
    assert sum(gaps) / len(gaps) >= 2.0


def test_every_job_has_a_seed_and_a_key_of_its_own_and_there_is_work_at_each_strike() -> None:
    plan = Plan()
    wishes = plan.wishes()
    assert len({wish.seed for wish in wishes}) == len({wish.key for wish in wishes}) == plan.jobs
    at_strikes = {wish.due for wish in wishes if wish.due == int(wish.due) > 0}
    assert at_strikes == set(range(1, len(plan.strikes()) + 1))
    assert [wish.due for wish in wishes] == sorted(wish.due for wish in wishes)
