"""An API process whose connections to Redis are all in use: requests wait for their turn, and /metrics tells of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from flask.testing import FlaskClient

from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.api.routes.test_metrics import fetch, get, scrape
from tests.api.served import serve
from tests.stack.waiting import wait_for

pytestmark = pytest.mark.slow


def test_waits_for_a_connection_are_told_by_pool(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    api = open_api(make_settings(redis_pool_size=1, redis_pool_wait_s=30.0))

    def ask(_: int) -> int:
        return api.application.test_client().get("/tasks").status_code

    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(ask, range(60))) == {200}
    assert wait_for(lambda: scrape(api).get(("broker_pool_waits_total", "api"), 0) > 0, 10.0)
    found = scrape(api)
    assert found["broker_pool_wait_seconds_total", "api"] >= 0
    assert found["broker_pool_exhausted_total", "api"] == 0


def test_greenlets_of_a_served_api_take_turns_at_one_connection(
    client: redis.Redis, settings: Settings, tmp_path: Path
) -> None:
    WorkerRegistry(client, settings).announce(TINY)
    with serve(tmp_path, settings, DEFAULT_MODEL="tiny", REDIS_POOL_SIZE="1", REDIS_POOL_WAIT_S="60") as served:
        with ThreadPoolExecutor(60) as threads:
            assert set(threads.map(lambda _: get(f"{served.url}/tasks?limit=5"), range(180))) == {200}
        assert wait_for(lambda: fetch(served.url).get(("broker_pool_waits_total", "api"), 0) > 0, 20.0)
        assert fetch(served.url)["broker_pool_exhausted_total", "api"] == 0
