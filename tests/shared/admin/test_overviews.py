"""Workers and lines are shown as they are, by model, priority and account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import redis

from shared.admin.queue_states import QueueStates
from shared.admin.worker_states import WorkerStates
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.shared.admin.test_minute_counts import RESULT, claimed
from tests.submitting import submit_job


def test_a_worker_is_shown_with_what_it_runs_its_leases_its_pace_and_its_last_sign_of_life(
    client: redis.Redis, settings: Settings, store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    registry, states = WorkerRegistry(client, settings), WorkerStates(client, settings)
    assert states.all() == []
    registry.announce(TINY)
    registry.announce(replace(TINY, worker="w2"))
    for _ in range(2):
        submit_job(store, request_for(duration=2), "tiny")
    done, running = claimed(store), claimed(store)
    assert states.all()[0].real_time_factor is None
    client.hset(f"ostinato:job:{done.id}", "started_ms", str(round(done.created_at * 1000) - 3000))
    store.complete(done, RESULT)
    store.drain("w2")
    client.pexpire("ostinato:worker:w1", round(settings.presence_ttl_s * 1000) - 4000)
    first, second = states.all()
    assert (first.record.worker, first.record.drained, second.record.drained) == ("w1", False, True)
    assert first.lease_left_s.keys() == {running.id}
    assert 0 < first.lease_left_s[running.id] <= settings.lease_s
    assert second.lease_left_s == {}
    assert 3.9 <= first.seen_s_ago < 10
    assert first.real_time_factor is not None
    assert 0.1 < first.real_time_factor <= 0.67, "two seconds of music in three, and what the test took"
    assert second.real_time_factor is None


def test_the_lines_are_shown_by_model_priority_and_account(
    client: redis.Redis, settings: Settings, store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    states = QueueStates(client, settings)
    assert (states.models(), states.accounts()) == ([], [])
    first = submit_job(store, request_for(), "tiny", account="studio", concurrent=1)
    claimed(store)
    for priority in ("high", "low", "low"):
        submit_job(store, request_for(priority=priority), "tiny", account="studio", concurrent=1)
    submit_job(store, request_for(), "other", account="radio")
    submit_job(store, request_for(), "other", account="radio", after=(first.id,))
    other, tiny = states.models()
    assert (tiny.model, dict(tiny.waiting), tiny.parked) == ("tiny", {"high": 1, "normal": 0, "low": 2}, 3)
    assert (tiny.running, tiny.blocked, other.blocked, other.running) == (1, 0, 1, 0)
    assert dict(other.waiting) == {"high": 0, "normal": 1, "low": 0}
    assert other.oldest_at is not None
    studio, radio = states.accounts()
    assert (studio.account, studio.waiting, studio.parked, studio.running, studio.concurrent) == ("studio", 3, 3, 1, 1)
    assert (radio.account, radio.waiting, radio.parked, radio.running, radio.concurrent) == ("radio", 1, 0, 0, None)
