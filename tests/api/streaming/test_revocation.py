"""Open streams end when their key is disabled: events, sound and WebSockets, also where nobody reads. As served."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from api.auth.keys import Allowance, Keys
from shared.jobs.job import Status
from tests.api.streaming.conftest import KEY, WAIT_S, Server, heard, heard_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("streams, served")]

GENERATE = {"type": "generate", "prompt": "Ambient music", "stream": True, "duration": 2}


@pytest.fixture
def key(server: Server) -> Iterator[tuple[str, str]]:
    """A key of its own, and its id; disabled at the end."""
    key, record = Keys(server.redis).create("one", Allowance())
    yield key, record.id
    Keys(server.redis).disable(record.id)


def submit(server: Server, key: str) -> dict[str, Any]:
    body = {"prompt": "calm piano", "stream": True, "cache": False}
    answer = server.http.post("/tasks", json=body, headers={"X-API-Key": key})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def is_ended(connection: httpx.Response) -> str:
    """How it ended: properly or broken off."""
    try:
        for _ in connection.iter_raw():
            pass
    except httpx.RemoteProtocolError:
        return "broken off"
    return "properly"


def rest_of(connection: socket.socket) -> bytes:
    got = bytearray()
    with suppress(ConnectionError):
        while data := connection.recv(1 << 16):
            got += data
    return bytes(got)


def test_events_and_sound_end_with_the_key_and_those_of_others_go_on(server: Server, key: tuple[str, str]) -> None:
    task = submit(server, key[0])
    other = server.submit()
    with (
        httpx.Client(base_url=str(server.http.base_url), timeout=WAIT_S, trust_env=False) as anyone,
        anyone.stream("GET", task["events_url"]) as events,
        anyone.stream("GET", task["stream_url"]) as sound,
        server.http.stream("GET", other["events_url"]) as theirs,
    ):
        assert [each.status_code for each in (events, sound, theirs)] == [200, 200, 200]
        Keys(server.redis).disable(key[1])
        assert is_ended(events) == "properly"
        assert is_ended(sound) == "broken off", "a proper end would say that this was all of it"
        server.http.delete(other["status_url"])
        told = "".join(theirs.iter_text())
        assert "event: cancelled" in told
    assert server.store.reader.get(task["task_id"]).status is Status.QUEUED, "its jobs are not cancelled unless asked"
    server.store.cancel(task["task_id"])


@pytest.mark.parametrize("ticketed", [False, True])
def test_a_websocket_ends_with_the_key_while_it_is_quiet_and_while_it_sings(
    server: Server, key: tuple[str, str], ticketed: bool
) -> None:
    ticket = server.http.post("/tickets", headers={"X-API-Key": key[0]}).json()["url"]
    how: Any = (f"ws://127.0.0.1:{server.port}{ticket}",) if ticketed else None
    open_one = (lambda: connect(*how, proxy=None, max_size=None)) if ticketed else (lambda: server.open(key=key[0]))
    with open_one() as quiet, open_one() as singing:
        singing.send(json.dumps(GENERATE))
        (accepted,) = heard_until(singing, "accepted")
        server.take_up(accepted["task_id"]).sing(1)
        heard_until(singing, "audio_chunk")
        Keys(server.redis).disable(key[1])
        for each in (quiet, singing):
            (told,) = heard_until(each, "error")
            assert told["error"]["code"] == "UNAUTHORIZED"
            with pytest.raises(ConnectionClosed) as closed:
                heard(each)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008
    server.wait_for(
        lambda: server.store.reader.get(accepted["task_id"]).status is Status.CANCELLED, "music nobody hears"
    )


def test_the_stream_of_one_who_does_not_read_is_broken_off(server: Server, key: tuple[str, str]) -> None:
    """Its writer waits for the reader, and cannot look at anything."""
    task = submit(server, key[0])
    singer = server.take_up(task["task_id"]).sing(400)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", server.port))
        slow.sendall(f"GET {task['stream_url']} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert slow.recv(1)
        Keys(server.redis).disable(key[1])
        line = f'"GET /tasks/{task["task_id"]}/stream?..." 200'  # written when the answer is over
        server.wait_for(lambda: line in server.program.log_path.read_text(), "its end")
        slow.settimeout(WAIT_S)
        assert len(rest_of(slow)) < len(singer.sound)
    singer.fail(for_good=True)


def test_a_stream_that_nobody_ended_stays_open_over_many_looks(server: Server, key: tuple[str, str]) -> None:
    task = submit(server, key[0])
    with server.http.stream("GET", task["events_url"], headers={"X-API-Key": KEY}) as events:
        time.sleep(1.0)
        server.http.delete(task["status_url"], headers={"X-API-Key": key[0]})
        assert "event: cancelled" in "".join(events.iter_text())
