"""Readers of Server-Sent Events for tests: one over Flask's test client, one over a socket with asyncio."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient


@dataclass(frozen=True)
class Told:
    """One event as it arrived. `id` is None for one that the log does not hold."""

    name: str
    data: dict[str, Any]
    id: str | None = None


def parse(block: str) -> Told | None:
    """None for a comment or a `retry:` alone."""
    fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
    return Told(fields["event"], json.loads(fields["data"]), fields.get("id")) if "event" in fields else None


def listen(api: FlaskClient, task_id: str, after: str | None = None) -> Generator[Told, None, None]:
    """The events of a stream as they come; closing the iterator closes the stream."""
    headers = {"Last-Event-ID": after} if after else {}
    with api.get(f"/tasks/{task_id}/events", headers=headers, buffered=False) as answer:
        assert answer.status_code == 200, answer.get_data(as_text=True)
        chunks: Iterable[bytes] = answer.iter_encoded()
        for chunk in chunks:
            for block in chunk.decode().split("\n\n"):
                if block and (told := parse(block)):
                    yield told


class Stream:
    """One stream over a real connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.head = ""

    @classmethod
    async def open(cls, port: int, task_id: str, after: str | None = None) -> Stream:
        stream = cls(*await asyncio.open_connection("127.0.0.1", port))
        resume = f"Last-Event-ID: {after}\r\n" if after else ""
        stream._writer.write(f"GET /tasks/{task_id}/events HTTP/1.1\r\nHost: localhost\r\n{resume}\r\n".encode())
        stream.head = (await stream._reader.readuntil(b"\r\n\r\n")).decode()
        return stream

    async def blocks(self) -> list[str]:
        """Those of the next chunk; empty at the stream's end."""
        length = int(await self._reader.readline(), 16)
        data = await self._reader.readexactly(length + 2)
        return [block for block in data.decode().strip("\r\n").split("\n\n") if block]

    async def told(self) -> list[Told]:
        """All until the end."""
        found: list[Told] = []
        while blocks := await self.blocks():
            found += [told for block in blocks if (told := parse(block))]
        return found

    async def is_closed(self) -> bool:
        return not await self._reader.read(1)

    def close(self) -> None:
        self._writer.close()
