from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import redis

from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.workers.registry import WorkerRecord, WorkerRegistry

ALIVE = WorkerRecord(
    "w1",
    "tiny",
    "models/tiny",
    "tiny",
    "digest",
    "audiocraft-1.3.0",
    "fp32",
    "cpu",
    32000,
    1,
    30.0,
    True,
    1,
    "0.1",
    1.0,
)


@pytest.fixture
def registry(client: redis.Redis, make_settings: Callable[..., Settings]) -> WorkerRegistry:
    return WorkerRegistry(client, make_settings(presence_ttl_s=20.0))


def test_a_worker_is_live_until_its_lifetime_runs_out(registry: WorkerRegistry, client: redis.Redis) -> None:
    registry.announce(ALIVE)
    registry.announce(replace(ALIVE, worker="w2"))
    assert [p.worker for p in registry.live()] == ["w1", "w2"]
    registry.leave("w2")
    assert registry.live() == [ALIVE]
    assert 0 < client.pttl("ostinato:worker:w1") <= 20_000
    client.pexpire("ostinato:worker:w1", 1)
    time.sleep(0.01)
    assert registry.live() == []


def test_a_drain_and_its_end_are_told_at_once_and_not_at_the_workers_next_renewal(
    registry: WorkerRegistry, store: JobStore
) -> None:
    registry.announce(ALIVE)
    store.drain("w1")
    assert [(p.drained, p.claims) for p in registry.live()] == [(True, False)]
    registry.announce(replace(ALIVE, drained=True))
    store.undrain("w1")
    assert [(p.drained, p.claims) for p in registry.live()] == [(False, True)]


def test_a_worker_whose_engine_is_dead_claims_nothing(registry: WorkerRegistry) -> None:
    registry.announce(replace(ALIVE, fault="its engine is dead"))
    assert [p.claims for p in registry.live()] == [False]


def test_a_newer_workers_unknown_fields_are_passed_over(registry: WorkerRegistry, client: redis.Redis) -> None:
    registry.announce(ALIVE)
    record = json.loads(client.get("ostinato:worker:w1"))
    client.set("ostinato:worker:w1", json.dumps(record | {"colour": "red"}))
    assert registry.live() == [ALIVE]


def test_a_tokenizer_comes_back_as_it_was_left(registry: WorkerRegistry) -> None:
    text = json.dumps({"vocabulary": "ö" * 1000})
    assert registry.tokenizer(registry.share_tokenizer(text)) == text
    assert registry.tokenizer("unknown") is None
