"""Connect to a server, plain and awaited: try each call until it is answered, read event streams until they end.

Owns retries, the key's header and resumption. Knows no call's meaning.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

import anyio
import httpx

from music_gen.errors import MusicGenError
from music_gen.remote import requests as calls
from music_gen.remote.chunk_assembler import AudioChunk, ChunkAssembler
from music_gen.remote.requests import Call
from music_gen.remote.retry import Outcome, RetrySchedule
from music_gen.remote.sse import EventStream
from music_gen.types import Event

T = TypeVar("T")

BASE_URL = "http://localhost:8000"
TIMEOUT = httpx.Timeout(60.0, connect=10.0)  # of one try; an event stream says something every 15 s
AUDIO_TIMEOUT = httpx.Timeout(60.0, connect=10.0, read=120.0)  # nothing comes while nothing is made
RETRY_FOR_S = 60.0
WITHDRAW_TIMEOUT_S = 5.0


class Address:
    """Say where calls go, and with which key."""

    def __init__(self, api_key: str | None, base_url: str, retry_for_s: float) -> None:
        self._root = calls.api_root(base_url)
        # Bearer, not X-API-Key: httpx takes it off where a redirect leads to another host, such as a store's
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._retry_for_s = retry_for_s

    @property
    def root(self) -> str:
        """Return the server's address."""
        return self._root

    def add_headers(self, headers: Mapping[str, str]) -> None:
        """Send these with every call from now on."""
        self._headers = {**self._headers, **headers}

    def retry_schedule(self) -> RetrySchedule:
        return RetrySchedule(self._retry_for_s)

    def _arguments(self, call: Call[Any], usual: httpx.Timeout) -> dict[str, Any]:
        return {
            "method": call.method,
            "url": self._root + call.path,
            "json": call.json,
            "data": call.form,
            "files": call.files,
            "params": call.query or None,
            "headers": {**self._headers, **call.headers},
            "timeout": _longer(usual, call.server_wait_s) if call.server_wait_s else usual,
        }

    def _events_arguments(self, task_id: str, last_id: str | None) -> dict[str, Any]:
        headers = {**self._headers, **calls.resumed(last_id)}
        return {"method": "GET", "url": self._root + calls.events_path(task_id), "headers": headers}

    def _audio_arguments(self, task_id: str) -> dict[str, Any]:
        where = {"url": self._root + calls.stream_path(task_id), "headers": self._headers, "timeout": AUDIO_TIMEOUT}
        return {"method": "GET", "follow_redirects": True, **where}


def _longer(usual: httpx.Timeout, server_wait_s: float) -> httpx.Timeout:
    """Return the timeout of a long poll: a client's own may be shorter than its wait."""
    read = None if usual.read is None else usual.read + server_wait_s
    return httpx.Timeout(connect=usual.connect, read=read, write=usual.write, pool=usual.pool)


class Connection(Address):
    def __init__(self, api_key: str | None, base_url: str, retry_for_s: float, http: httpx.Client | None) -> None:
        super().__init__(api_key, base_url, retry_for_s)
        self._owned = http is None
        self._http = http or httpx.Client(timeout=TIMEOUT)

    def close(self) -> None:
        if self._owned:
            self._http.close()

    def send(self, call: Call[T], retry_for_s: float | None = None) -> T:
        schedule = RetrySchedule(self._retry_for_s if retry_for_s is None else retry_for_s)
        while True:
            outcome: Outcome
            try:
                request = self._http.build_request(**self._arguments(call, self._http.timeout))
                outcome = self._http.send(request, follow_redirects=True)
            except httpx.TransportError as error:
                outcome = error
            wait_s = schedule.wait_s(outcome)
            if wait_s is None:
                return calls.conclude(call, outcome, repeated=schedule.tried)
            time.sleep(wait_s)

    def withdraw(self, call: Call[Any]) -> None:
        """Send once, and silently when it fails: the caller is leaving, and may have closed this before."""
        with suppress(MusicGenError, RuntimeError):
            self.send(call, retry_for_s=0)

    @contextmanager
    def withdrawing(self, call: Call[Any]) -> Iterator[None]:
        """Withdraw what is waited for inside when Ctrl-C interrupts the wait."""
        try:
            yield
        except KeyboardInterrupt:
            self.withdraw(call)
            raise

    def receive(self, task_id: str, assembler: ChunkAssembler) -> Iterator[AudioChunk]:
        """Receive the audio once; `assembler.broken` tells how it ended."""
        assembler.begin()
        try:
            with self._http.stream(**self._audio_arguments(task_id)) as response:
                assembler.request = response.request
                if not response.is_success:
                    response.read()
                    assembler.broken = response
                    return
                for data in response.iter_bytes():
                    if chunk := assembler.feed(data):
                        yield chunk
        except httpx.TransportError as error:
            assembler.broken = error

    def events(self, task_id: str, after: str | None) -> Iterator[Event]:
        event_stream = EventStream(after, self._retry_for_s)
        while True:
            outcome: Outcome
            try:
                with self._http.stream(**self._events_arguments(task_id, event_stream.last_id)) as response:
                    if response.status_code == 204:
                        return  # the last event was received before
                    if response.is_success:
                        for sent in event_stream.begin(response).iter_sse():
                            if event := event_stream.read(sent):
                                yield event
                                if event.last:
                                    return
                        outcome = httpx.RemoteProtocolError("it ended before the task", request=response.request)
                    else:
                        response.read()
                        outcome = response
            except httpx.TransportError as error:
                outcome = error
            time.sleep(event_stream.wait_s(outcome))


class AsyncConnection(Address):
    def __init__(self, api_key: str | None, base_url: str, retry_for_s: float, http: httpx.AsyncClient | None) -> None:
        super().__init__(api_key, base_url, retry_for_s)
        self._owned = http is None
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT)

    async def close(self) -> None:
        if self._owned:
            await self._http.aclose()

    async def send(self, call: Call[T], retry_for_s: float | None = None) -> T:
        schedule = RetrySchedule(self._retry_for_s if retry_for_s is None else retry_for_s)
        while True:
            outcome: Outcome
            try:
                request = self._http.build_request(**self._arguments(call, self._http.timeout))
                outcome = await self._http.send(request, follow_redirects=True)
            except httpx.TransportError as error:
                outcome = error
            wait_s = schedule.wait_s(outcome)
            if wait_s is None:
                return calls.conclude(call, outcome, repeated=schedule.tried)
            await anyio.sleep(wait_s)

    async def withdraw(self, call: Call[Any]) -> None:
        """Send once, and silently when it fails: the caller is leaving, and may have closed this before."""
        with suppress(MusicGenError, RuntimeError), anyio.move_on_after(WITHDRAW_TIMEOUT_S, shield=True):
            await self.send(call, retry_for_s=0)

    @asynccontextmanager
    async def withdrawing(self, call: Call[Any]) -> AsyncIterator[None]:
        """Withdraw what is waited for inside when the wait is cancelled."""
        try:
            yield
        except anyio.get_cancelled_exc_class():
            await self.withdraw(call)
            raise

    async def receive(self, task_id: str, assembler: ChunkAssembler) -> AsyncGenerator[AudioChunk, None]:
        """Receive the audio once; `assembler.broken` tells how it ended."""
        assembler.begin()
        try:
            async with self._http.stream(**self._audio_arguments(task_id)) as response:
                assembler.request = response.request
                if not response.is_success:
                    await response.aread()
                    assembler.broken = response
                    return
                async for data in response.aiter_bytes():
                    if chunk := assembler.feed(data):
                        yield chunk
        except httpx.TransportError as error:
            assembler.broken = error

    async def events(self, task_id: str, after: str | None) -> AsyncIterator[Event]:
        event_stream = EventStream(after, self._retry_for_s)
        while True:
            outcome: Outcome
            try:
                async with self._http.stream(**self._events_arguments(task_id, event_stream.last_id)) as response:
                    if response.status_code == 204:
                        return  # the last event was received before
                    if response.is_success:
                        async with aclosing(event_stream.begin(response).aiter_sse()) as stream:
                            async for sent in stream:
                                if event := event_stream.read(sent):
                                    yield event
                                    if event.last:
                                        return
                        outcome = httpx.RemoteProtocolError("it ended before the task", request=response.request)
                    else:
                        await response.aread()
                        outcome = response
            except httpx.TransportError as error:
                outcome = error
            await anyio.sleep(event_stream.wait_s(outcome))
