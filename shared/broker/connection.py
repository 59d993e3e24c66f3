"""Connect to the Redis-protocol server that REDIS_URL names: the job records' client and Celery's broker URL.

Plain `redis://`, TLS `rediss://`, and Sentinel `redis+sentinel://[user:password@]host:port,host:port/master/db`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from shared.broker.pool import FairPool, FairSentinelPool
from shared.errors import BrokerUnavailable, ConfigurationError
from shared.settings import Settings

FEW = 8  # connections of a process that does little at once
SENTINEL_SCHEMES = ("redis+sentinel", "sentinel")
DEFAULT_SENTINEL_PORT = 26379
TEMPORARY = ("MISCONF", "NOREPLICAS", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN")  # answers that pass


@dataclass(frozen=True)
class SentinelAddress:
    """Hold what a Sentinel URL says."""

    hosts: tuple[tuple[str, int], ...]
    master: str
    db: int
    username: str | None
    password: str | None


def is_sentinel(url: str) -> bool:
    return urlsplit(url).scheme in SENTINEL_SCHEMES


def parse_sentinel(url: str) -> SentinelAddress:
    """Raises ConfigurationError when the hosts or the master's name are missing."""
    parts = urlsplit(url)
    login, _, addresses = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    hosts = tuple(_host_port(address) for address in addresses.split(",") if address)
    master, _, db = parts.path.strip("/").partition("/")
    if not hosts or not master or not (db or "0").isdigit():
        raise ConfigurationError(
            "REDIS_URL: a Sentinel URL reads redis+sentinel://host:port,host:port/master-name/db-number"
        )
    return SentinelAddress(hosts, master, int(db or 0), unquote(username) or None, unquote(password) or None)


def _host_port(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    if port and not port.isdigit():
        raise ConfigurationError(f"REDIS_URL: {port!r} is not a port; write host:port")
    return host, int(port or DEFAULT_SENTINEL_PORT)


def connect(settings: Settings, *, name: str = "other", at_once: int = FEW) -> redis.Redis:
    """Make a client that answers or raises within REDIS_TIMEOUT_S, and never retries behind the caller's back.

    `at_once`: how many of its commands this process may run at the same time. So many connections it opens at most,
    unless REDIS_POOL_SIZE says otherwise; who comes later waits for one. `name`: the pool's, in messages and /metrics.
    """
    options: dict[str, Any] = {
        "name": name,
        "max_connections": settings.redis_pool_size or at_once,
        "timeout": settings.redis_pool_wait_s,
        "socket_timeout": settings.redis_timeout_s,
        "socket_connect_timeout": settings.redis_timeout_s,
        "health_check_interval": 15,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": True,
    }
    url = settings.redis_url
    try:
        if not is_sentinel(url):
            return redis.Redis.from_pool(FairPool.from_url(url, **options))
        return _master_of(parse_sentinel(url), options)
    except ValueError as error:
        raise ConfigurationError(f"REDIS_URL: {error}; write redis://host:port/db") from error


def _master_of(address: SentinelAddress, options: Mapping[str, Any]) -> redis.Redis:
    """Return a client of the master that the Sentinels name, whichever it is."""
    sentinel: Any = Sentinel(list(address.hosts), socket_timeout=options["socket_timeout"])
    login = {"username": address.username, "password": address.password}
    client: redis.Redis = sentinel.master_for(
        address.master, connection_pool_class=FairSentinelPool, db=address.db, **login, **options
    )
    return client


def celery_broker(settings: Settings) -> tuple[str, dict[str, Any]]:
    """Return (broker URL, transport options) in Celery's own way of writing them."""
    options: dict[str, Any] = {
        # without a timeout a worker can wait for ever on a connection that died with the server
        "socket_timeout": max(5.0, settings.redis_timeout_s),
        "socket_connect_timeout": settings.redis_timeout_s,
        "socket_keepalive": True,
        "health_check_interval": 5,  # how soon a BRPOP whose answer is overdue is asked on a new connection
    }
    if not is_sentinel(settings.redis_url):
        return settings.redis_url, options
    address = parse_sentinel(settings.redis_url)
    username, password = quote(address.username or "", safe=""), quote(address.password or "", safe="")
    login = f"{username}:{password}@" if password else ""
    urls = [f"sentinel://{login}{host}:{port}/{address.db}" for host, port in address.hosts]
    return ";".join(urls), options | {"master_name": address.master}


def refuse_evicting(client: redis.Redis) -> None:
    """Check at the start: an eviction policy other than noeviction would drop queues and records under memory pressure.

    Raises ConfigurationError naming the policy and the remedy, BrokerUnavailable when the server is away.
    """
    with translated():
        policy = client.info("memory").get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise ConfigurationError(
            f"the Redis server's maxmemory-policy is {policy!r}, which may drop accepted jobs; "
            "run CONFIG SET maxmemory-policy noeviction (and set it in redis.conf)"
        )


@contextmanager
def translated() -> Iterator[None]:
    """Translate Redis' own errors to BrokerUnavailable, so that callers know one name for 'the broker is away'."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
        raise BrokerUnavailable("the broker (Redis) does not answer; try again shortly") from error
    except (redis.OutOfMemoryError, redis.ReadOnlyError) as error:
        raise BrokerUnavailable(f"the broker (Redis) refuses to write: {error}; free its memory or disk") from error
    except redis.ResponseError as error:
        if str(error).startswith(TEMPORARY):
            raise BrokerUnavailable(f"the broker (Redis) refuses to write: {error}") from error
        raise
