"""Pool connections to the Redis server: bounded, fair, and told apart from an outage when they are exhausted.

A process holds at most as many connections as its pool has; who comes later waits in line and is served in the order of
arrival, so that nobody starves behind threads that come again and again. A connection that was used within the last
second is handed out without a look at its health, which would cost three system calls: what an idle one missed (a
server that was restarted) is noticed at the next look. Under gevent the waiting is cooperative.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import redis
from redis.sentinel import SentinelConnectionPool

from shared.errors import PoolExhausted

if TYPE_CHECKING:
    Waiter: TypeAlias = threading.Lock
    WaitListener: TypeAlias = Callable[["Wait"], None]

TRUSTED_S = 1.0  # for so long a connection that was used is taken for healthy
OUTAGE_CHECK_S = 1.5  # how often who waits asks whether the others' connections fail


@dataclass(frozen=True)
class Wait:
    """Tell one wait for a connection: its seconds, and whether it ended with none (`exhausted`)."""

    seconds: float
    exhausted: bool


class FairSemaphore:
    """Count permits. A released permit goes to whoever has waited longest, never to somebody who has just come."""

    def __init__(self, permits: int) -> None:
        self._permits = permits
        self._line: deque[Waiter] = deque()
        self._lock = threading.Lock()

    def acquire(self) -> Waiter | None:
        """Take a permit; None when that was done. Otherwise a turn: it can be acquired once the permit is there."""
        with self._lock:
            if self._permits > 0 and not self._line:
                self._permits -= 1
                return None
            waiter = threading.Lock()
            waiter.acquire()
            self._line.append(waiter)
            return waiter

    def leave(self, waiter: Waiter) -> None:
        """Give up waiting. A permit that came in this very moment is passed on."""
        with self._lock:
            if waiter in self._line:
                self._line.remove(waiter)
                return
        self.release()

    def release(self, permits: int = 1) -> None:
        """Give permits back, or add new ones."""
        with self._lock:
            for _ in range(permits):
                if self._line:
                    self._line.popleft().release()
                else:
                    self._permits += 1


class FairPool(redis.ConnectionPool):
    """Lend `max_connections` connections at most; `timeout` seconds is the longest wait for one of them.

    `get_connection` raises PoolExhausted after such a wait, and redis.ConnectionError when the connections that others
    hold fail meanwhile: then it is the server that is away. `on_wait` is told of each wait.
    """

    def __init__(self, *args: Any, name: str = "other", timeout: float | None = 10.0, **kwargs: Any) -> None:
        self.name = name
        self.on_wait: WaitListener | None = None
        self._wait_s = float("inf") if timeout is None else timeout
        self._failed_at = 0.0
        self._used_at: dict[Any, float] = {}
        super().__init__(*args, **kwargs)

    def reset(self) -> None:
        """Begin anew; also in a child process, whose parent keeps the connections."""
        self._seats = FairSemaphore(self.max_connections)
        self._used_at = {}
        super().reset()

    def widen(self, connections: int) -> None:
        """Allow so many connections from now on, if these are more than before."""
        with self._lock:
            added = max(0, connections - self.max_connections)
            self.max_connections += added
        self._seats.release(added)

    def get_connection(self, command_name: str | None = None, *keys: Any, **options: Any) -> Any:
        """Return a connected one. The arguments are of the library's interface, and unused there too."""
        self._checkpid()
        if (waiter := self._seats.acquire()) is not None:
            self._wait(waiter)
        try:
            connection = self._take()
        except BaseException:
            self._seats.release()
            raise
        try:
            if time.monotonic() - self._used_at.pop(connection, 0.0) > TRUSTED_S or not connection.is_connected:
                _make_ready(connection)
        except BaseException:
            self.release(connection)
            raise
        return connection

    def release(self, connection: Any) -> None:
        """Give it back. One that is not of this pool, or was given back before, is passed over."""
        self._checkpid()
        now = time.monotonic()
        with self._lock:
            if connection not in self._in_use_connections:
                return
            self._in_use_connections.remove(connection)
            if connection.is_connected:
                self._used_at[connection] = now
            else:  # whoever held it met an error
                self._failed_at = now
            if not self.owns_connection(connection):  # Sentinel names another master by now
                self._used_at.pop(connection, None)
                self._created_connections -= 1
                connection.disconnect()
            else:
                if connection.should_reconnect():
                    connection.disconnect()
                self._available_connections.append(connection)
        self._seats.release()

    def _take(self) -> Any:
        with self._lock:
            connection = self._available_connections.pop() if self._available_connections else self.make_connection()
            self._in_use_connections.add(connection)
            return connection

    def _wait(self, waiter: Waiter) -> None:
        """Raises PoolExhausted, redis.ConnectionError."""
        since, exhausted = time.monotonic(), False
        try:
            while not waiter.acquire(timeout=self._longest_s(since)):
                if self._failed_at > since:
                    raise redis.ConnectionError("the connections of this process fail")
                if time.monotonic() - since >= self._wait_s:
                    exhausted = True
                    raise self._exhausted()
        except BaseException:
            self._seats.leave(waiter)
            raise
        finally:
            if self.on_wait is not None:
                self.on_wait(Wait(time.monotonic() - since, exhausted))

    def _longest_s(self, since: float) -> float:
        return min(OUTAGE_CHECK_S, max(0.0, since + self._wait_s - time.monotonic()))

    def _exhausted(self) -> PoolExhausted:
        return PoolExhausted(self.name, self.max_connections, self._wait_s)


class FairSentinelPool(SentinelConnectionPool, FairPool):
    """Lend connections to the master that Sentinel names."""


def pool_of(client: redis.Redis) -> FairPool:
    """Return the pool of a client that `connect` has made."""
    pool = client.connection_pool
    assert isinstance(pool, FairPool)
    return pool


def _make_ready(connection: Any) -> None:
    """Connect, and check that no reply to somebody else's command is waiting, as the library's own pools do."""
    connection.connect()
    try:
        ready = not connection.can_read()
    except (redis.ConnectionError, redis.TimeoutError, OSError):
        ready = False
    if not ready:
        connection.disconnect()
        connection.connect()
        if connection.can_read():
            raise redis.ConnectionError("a new connection has an answer to nothing")
