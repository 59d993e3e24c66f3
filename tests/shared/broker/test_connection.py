from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from shared.broker.connection import celery_broker, connect, parse_sentinel, refuse_evicting
from shared.broker.pool import pool_of
from shared.errors import BrokerUnavailable, ConfigurationError, PoolExhausted
from shared.jobs.tickets import Tickets, make_celery
from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from stack.broker import EmbeddedBroker
from stack.broker_server import server_path
from stack.ports import free_port


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_boot_refuses_an_eviction_policy_that_could_drop_jobs(client: redis.Redis, policy: str) -> None:
    refuse_evicting(client)
    client.config_set("maxmemory-policy", policy)
    try:
        with pytest.raises(ConfigurationError, match=f"{policy}.*CONFIG SET maxmemory-policy noeviction"):
            refuse_evicting(client)
    finally:
        client.config_set("maxmemory-policy", "noeviction")


def test_a_broker_without_room_is_unavailable_and_not_a_crash(
    client: redis.Redis, make_settings: Callable[..., Settings]
) -> None:
    client.config_set("maxmemory", "1")
    try:
        with pytest.raises(BrokerUnavailable, match="refuses to write"):
            WorkerRegistry(client, make_settings()).share_tokenizer("x")
    finally:
        client.config_set("maxmemory", "0")


@pytest.mark.parametrize(
    "url",
    [
        "http://x",
        "redis+sentinel://h:1",
        "redis+sentinel:///m/0",
        "redis+sentinel://h/m/x",
        "redis+sentinel://h:abc/m/0",
    ],
)
def test_a_bad_url_is_refused_with_the_right_form(make_settings: Callable[..., Settings], url: str) -> None:
    with pytest.raises(ConfigurationError, match="REDIS_URL"):
        connect(make_settings(redis_url=url))


def test_tls_urls_reach_the_client_and_celery_alike(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(redis_url="rediss://user:secret@broker.example:6380/2")
    connection = connect(settings).connection_pool
    assert issubclass(connection.connection_class, redis.SSLConnection)
    assert make_celery(settings).connection().as_uri().startswith("rediss://user:**@broker.example:6380/2")


def test_a_sentinels_password_survives_the_way_to_celery(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(redis_url="redis+sentinel://user:p%2Fs%23s@a:1,b:2/band/0")
    connection = make_celery(settings).connection()
    assert (connection.password, connection.userid, connection.port) == ("p/s#s", "user", 1)


def test_a_sentinel_url_is_read_with_its_login() -> None:
    address = parse_sentinel("redis+sentinel://user:p%40ss@a:1,b/cluster/3")
    assert address.hosts == (("a", 1), ("b", 26379))
    assert (address.master, address.db, address.username, address.password) == ("cluster", 3, "user", "p@ss")


@pytest.fixture
def sentinel_url(broker: EmbeddedBroker, tmp_path: Path) -> Iterator[str]:
    """A real Sentinel that watches the tests' broker."""
    port = free_port()
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor band 127.0.0.1 {broker.port} 1\n"
        f"sentinel auth-pass band {urlsplit(broker.url).password}\n"
    )
    process = subprocess.Popen([str(server_path()), str(configuration), "--sentinel"], stdout=subprocess.DEVNULL)
    try:
        _await_sentinel(port)
        yield f"redis+sentinel://:{urlsplit(broker.url).password}@127.0.0.1:{port}/band/0"
    finally:
        process.terminate()
        process.wait(10)


def _await_sentinel(port: int) -> None:
    watching = redis.Redis(port=port, socket_timeout=1, decode_responses=True)
    for _ in range(100):
        try:
            if watching.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "band"):
                return
        except redis.ConnectionError:
            time.sleep(0.05)
    raise AssertionError("the sentinel did not start")


def test_records_and_tickets_reach_the_master_that_sentinel_names(
    sentinel_url: str, client: redis.Redis, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(redis_url=sentinel_url)
    connect(settings).set("through", "sentinel")
    assert client.get("through") == "sentinel"
    Tickets(make_celery(settings), settings).send("tiny")
    assert client.llen("ostinato.tiny") == 1
    assert celery_broker(settings)[1]["master_name"] == "band"


def test_connections_through_sentinel_and_tls_are_pooled_like_others(
    sentinel_url: str, client: redis.Redis, make_settings: Callable[..., Settings]
) -> None:
    shared = connect(make_settings(redis_url=sentinel_url, redis_pool_size=2, redis_pool_wait_s=60.0))
    with ThreadPoolExecutor(30) as threads:
        assert sorted(threads.map(lambda _: shared.incr("n"), range(90))) == list(range(1, 91))
    assert pool_of(shared)._created_connections == 2
    narrow = connect(make_settings(redis_url="rediss://broker.example/0", redis_pool_size=3))
    assert pool_of(narrow).max_connections == 3


def test_a_url_that_bounds_its_pool_itself_is_obeyed(
    client: redis.Redis, make_settings: Callable[..., Settings]
) -> None:
    bounded = connect(make_settings(redis_url=f"{make_settings().redis_url}?max_connections=1&timeout=0.1"), at_once=9)
    pool_of(bounded).get_connection()
    with pytest.raises(PoolExhausted, match="REDIS_POOL_SIZE=1"):
        bounded.ping()
