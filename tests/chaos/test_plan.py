"""A chaos run's plan: the same for the same seed, and as hard as it says."""

from __future__ import annotations

import pytest

from chaos.plan import Kind, Plan


def test_the_same_seed_plans_the_same_and_another_does_not() -> None:
    plan, again, other = Plan(seed=1), Plan(seed=1), Plan(seed=2)
    assert (plan.faults(), plan.specs()) == (again.faults(), again.specs())
    assert plan.faults() != other.faults()
    assert plan.specs() != other.specs()


@pytest.mark.parametrize("plan", [Plan(), Plan(jobs=12, kills=2, broker_kills=1), Plan(kills=1, storage_stops=0)])
def test_a_plan_has_as_many_faults_as_it_says_and_begins_with_a_worker(plan: Plan) -> None:
    kinds = [fault.kind for fault in plan.faults()]
    assert [kinds.count(kind) for kind in Kind] == [plan.kills, plan.broker_kills, plan.storage_stops]
    assert kinds[0] is Kind.WORKER


def test_the_mean_gap_between_kills_is_at_least_two_boots() -> None:
    gaps = [fault.gap_boots for fault in Plan(seed=3).faults() if fault.kind is Kind.WORKER]
    assert sum(gaps) / len(gaps) >= 2.0


def test_every_job_has_a_seed_and_a_key_of_its_own_and_there_is_work_at_each_fault() -> None:
    plan = Plan()
    specs = plan.specs()
    assert len({spec.seed for spec in specs}) == len({spec.key for spec in specs}) == plan.jobs
    at_strikes = {spec.due for spec in specs if spec.due == int(spec.due) > 0}
    assert at_strikes == set(range(1, len(plan.faults()) + 1))
    assert [spec.due for spec in specs] == sorted(spec.due for spec in specs)
