"""Generate HTTP load: keep-alive connections, one request at a time on each, latencies of all.

Raw asyncio instead of a client library, so that it costs the machine as little as possible beside the servers that are
measured. Reads replies with a Content-Length only, which is what both sides send.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Requests = Callable[[int], bytes]  # number of the request -> its bytes


class LoadFailed(Exception):
    """Say that the server replied otherwise than a load run can use."""


@dataclass
class Load:
    """Hold what came back. Latencies in seconds, in the order of the replies."""

    latencies: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Return the replies a second."""
        return len(self.latencies) / self.seconds

    def percentile_ms(self, percent: float, part: slice = slice(None)) -> float:
        return float(np.percentile(self.latencies[part], percent) * 1000)


def post(path: str, body: dict[str, Any]) -> bytes:
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
    head += f"\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def run(
    port: int,
    requests: Requests,
    *,
    connections: int,
    expect: int,
    seconds: float | None = None,
    count: int | None = None,
    on_reply: Callable[[int], None] | None = None,
) -> Load:
    """Send requests until `seconds` are over or `count` of them have a reply.

    Raises LoadFailed when a reply's status is not the expected one.
    """
    numbers = iter(range(count if count is not None else 2**62))
    since = time.perf_counter()
    give_up_at = since + (seconds if seconds is not None else 3600.0)
    sender = _Sender(port, requests, numbers, expect, give_up_at, on_reply)
    asyncio.run(sender.run(connections))
    sender.load.seconds = time.perf_counter() - since
    return sender.load


@dataclass
class _Sender:
    """Send the numbered requests over several connections, each number once."""

    port: int
    requests: Requests
    numbers: Iterator[int]
    expect: int
    give_up_at: float
    on_reply: Callable[[int], None] | None
    load: Load = field(default_factory=Load)

    async def run(self, connections: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(self._run_connection())

    async def _run_connection(self) -> None:
        load = self.load
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for number in self.numbers:
                since = time.perf_counter()
                if since > self.give_up_at:
                    return
                writer.write(self.requests(number))
                load.bodies.append(await _reply(reader, self.expect))
                load.latencies.append(time.perf_counter() - since)
                if self.on_reply is not None:
                    self.on_reply(len(load.latencies))
        finally:
            writer.close()


async def _reply(reader: asyncio.StreamReader, expect: int) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    at = head.lower().find(b"content-length:")
    length = int(head[at + 15 : head.find(b"\r\n", at)]) if at >= 0 else 0
    body = await reader.readexactly(length)
    if status != expect:
        raise LoadFailed(f"status {status} instead of {expect}: {body[:300]!r}")
    return body
