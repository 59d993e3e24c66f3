"""Scripts take their connections from the pool: a restart is noticed, and no answer is read by somebody else."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest
import redis

from shared.broker.connection import connect
from shared.broker.lua_scripts import LuaScripts
from shared.broker.pool import TRUSTED_S
from shared.errors import BrokerUnavailable
from shared.settings import Settings
from stack.broker import EmbeddedBroker
from tests.stack.waiting import wait_for

ROOT = "ostinato"


@pytest.fixture
def pooled(settings: Settings) -> redis.Redis:
    return connect(settings)


@pytest.fixture
def scripts(pooled: redis.Redis) -> LuaScripts:
    return LuaScripts(pooled, ROOT)


def test_one_connection_serves_call_after_call(scripts: LuaScripts, client: redis.Redis) -> None:
    scripts.run("queue_position", "nobody")
    before = client.info("stats")["total_connections_received"]
    for _ in range(20):
        scripts.run("queue_position", "nobody")
    assert client.info("stats")["total_connections_received"] == before


def test_an_answer_that_was_not_read_is_read_by_nobody_else(
    scripts: LuaScripts, pooled: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    connection = pooled.connection_pool.get_connection()
    pooled.connection_pool.release(connection)
    with monkeypatch.context() as patched:
        patched.setattr(connection, "read_response", stopped)
        with pytest.raises(KeyboardInterrupt):
            scripts.run("throughput", "tiny")
    assert scripts.run("queue_position", "nobody") == []


def test_many_threads_at_once_get_their_own_answers_and_no_idle_one_keeps_a_connection(
    scripts: LuaScripts, pooled: redis.Redis
) -> None:
    wrong: list[object] = []

    def ask() -> None:
        for _ in range(50):
            answer = scripts.run("queue_position", "nobody")
            if answer != []:
                wrong.append(answer)

    threads = [Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert pooled.connection_pool._get_in_use_connections() == set()


def test_after_a_restart_of_the_server_at_most_one_second_of_calls_fails(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker") as broker:
        own = LuaScripts(connect(Settings(_env_file=None, redis_url=broker.url)), ROOT)
        own.run("queue_position", "nobody")
        broker.stop()
        with pytest.raises(BrokerUnavailable):
            own.run("queue_position", "nobody")
        broker.start()

        def answers() -> bool:
            try:
                return bool(own.run("queue_position", "nobody") == [])
            except BrokerUnavailable:
                return False

        assert wait_for(answers, TRUSTED_S + 1.0)
