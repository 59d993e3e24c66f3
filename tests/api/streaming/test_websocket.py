"""/ws/stream over real connections, in the messages of its document."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from api.auth.keys import Allowance, Keys
from shared.jobs.job import Status
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.api.streaming.conftest import CHUNK_S, PAGE, RATE_HZ, STRANGER, WAIT_S, Server, Singer, heard, heard_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("streams, served")]

GENERATE = {"type": "generate", "prompt": "Ambient music", "stream": True, "duration": 2}


def ask(connection: ClientConnection, **fields: Any) -> dict[str, Any]:
    """Its `accepted`."""
    connection.send(json.dumps(GENERATE | fields))
    (accepted,) = heard_until(connection, "accepted", "error")
    assert accepted["type"] == "accepted", accepted
    return accepted


def sound_of(told: list[dict[str, Any]]) -> bytes:
    return b"".join(base64.b64decode(message["data"]) for message in told if message["type"] == "audio_chunk")


@contextmanager
def taken_up(server: Server, connection: ClientConnection, **fields: Any) -> Iterator[tuple[dict[str, Any], Singer]]:
    accepted = ask(connection, **fields)
    yield accepted, server.take_up(accepted["task_id"])


@pytest.mark.parametrize("path", ["/ws/stream", "/api/v1/ws/stream"])
def test_generate_is_answered_by_chunks_as_they_are_made_and_the_finished_file(server: Server, path: str) -> None:
    with server.open(path) as connection, taken_up(server, connection) as (accepted, singer):
        assert accepted["task_id"] == singer.job.id
        assert (accepted["status"], accepted["stream"], accepted["seed"]) == ("processing", True, singer.job.seed)
        told = []
        for number in range(3):
            since = time.time()
            singer.sing(1)
            (chunk,) = heard_until(connection, "audio_chunk")
            assert isinstance(chunk["timestamp"], int), "whole seconds, as the document has them"
            assert int(since) <= chunk["timestamp"] <= time.time()
            shape = (chunk["sequence"], chunk["attempt"], chunk["sample_rate"], chunk["channels"], chunk["format"])
            assert shape == (number, 1, RATE_HZ, 1, "pcm_s16le")
            assert chunk["samples"] == len(base64.b64decode(chunk["data"])) // 2
            told.append(chunk)
        file = singer.finish()
        (completed,) = heard_until(connection, "completed")
    assert sound_of(told) == singer.sound
    assert (completed["streamed"], completed["chunks"], completed["task_id"]) == (True, 3, singer.job.id)
    assert completed["metadata"]["seed"] == singer.job.seed
    assert httpx.get(completed["audio_url"], trust_env=False).content == file


def test_several_are_made_in_turn_on_one_connection_and_progress_is_told(server: Server) -> None:
    with server.open() as connection:
        for _ in range(2):
            with taken_up(server, connection) as (_, singer):
                while (message := heard(connection))["type"] != "progress" or message["stage"] != "running":
                    pass
                assert (message["task_id"], message["attempt"]) == (singer.job.id, 1)
                singer.sing(2).finish()
                assert sound_of(heard_until(connection, "completed")) == singer.sound


def test_bad_messages_are_answered_in_the_documents_shape_and_the_connection_stays(server: Server) -> None:
    bad: list[tuple[Any, str, str]] = [
        ("not json", "INVALID_JSON", "no JSON object"),
        ("[1]", "INVALID_JSON", "no JSON object"),
        ("[" * 9000, "INVALID_JSON", "no JSON object"),
        (b"\x00\xff", "INVALID_JSON", "no JSON object"),
        ('{"type": "generate", "prompt": "\\ud800"}', "INVALID_JSON", "half of a character"),
        ("{}", "INVALID_REQUEST", 'send "generate"'),
        ('{"type": "sing", "prompt": "x"}', "INVALID_REQUEST", 'send "generate"'),
        ('{"type": "generate", "prompt": ""}', "INVALID_PROMPT", "Prompt cannot be empty"),
        ('{"type": "generate", "prompt": "x", "duration": 9999}', "INVALID_REQUEST", "duration"),
        ('{"type": "generate", "prompt": "x", "tempo": 9}', "UNKNOWN_FIELD", "tempo"),
    ]
    with server.open() as connection:
        for message, code, words in bad:
            connection.send(message)
            answer = heard(connection)
            assert (answer["type"], answer["error"]["code"]) == ("error", code), message
            assert words in answer["error"]["message"], message
            assert isinstance(answer["error"]["details"], dict)
        with taken_up(server, connection) as (_, singer):
            singer.sing(1).finish()
            assert heard_until(connection, "completed")[-1]["streamed"]


def test_a_failed_task_is_an_error_message_and_the_next_one_is_made(server: Server) -> None:
    with server.open() as connection:
        with taken_up(server, connection) as (accepted, singer):
            singer.sing(1).fail(for_good=True)
            told = heard_until(connection, "error")
            assert told[-1]["error"]["code"] == "GENERATION_FAILED"
            assert told[-1]["task_id"] == accepted["task_id"]
        with taken_up(server, connection) as (accepted, singer):
            server.http.delete(f"/tasks/{accepted['task_id']}")
            assert heard_until(connection, "error")[-1]["error"]["code"] == "CANCELLED"


def test_a_new_attempt_is_told_as_restart_and_its_chunks_begin_anew(server: Server) -> None:
    with server.open() as connection, taken_up(server, connection) as (accepted, first):
        first.sing(2)
        heard_until(connection, "audio_chunk")
        first.fail()
        second = server.take_up(accepted["task_id"]).sing(3, seed=9)
        second.finish()
        told = heard_until(connection, "completed")
    restart = next(n for n, message in enumerate(told) if message["type"] == "restart")
    assert (told[restart]["attempt"], told[restart]["task_id"]) == (2, accepted["task_id"])
    after = told[restart:]
    assert [message["sequence"] for message in after if message["type"] == "audio_chunk"] == [0, 1, 2]
    assert sound_of(after) == second.sound
    assert (told[-1]["chunks"], told[-1]["streamed"]) == (3, True)


@pytest.mark.parametrize("begun", [False, True])
def test_closing_before_the_end_cancels_the_task(server: Server, begun: bool) -> None:
    with server.open() as connection:
        task_id = ask(connection)["task_id"]
        if begun:
            server.take_up(task_id).sing(1)
            heard_until(connection, "audio_chunk")
    server.wait_for(lambda: server.store.reader.get(task_id).status is Status.CANCELLED, "the task's cancellation")


def test_a_peer_that_vanishes_cancels_its_task_too(server: Server) -> None:
    connection = server.open()
    task_id = ask(connection)["task_id"]
    connection.socket.shutdown(socket.SHUT_RDWR)
    server.wait_for(lambda: server.store.reader.get(task_id).status is Status.CANCELLED, "the task's cancellation")


def test_stream_false_tells_progress_and_the_file_and_no_chunk(server: Server) -> None:
    with server.open() as connection, taken_up(server, connection, stream=False) as (accepted, singer):
        assert accepted["stream"] is False
        assert not singer.job.request.stream
        singer.finish()
        told = heard_until(connection, "completed")
    assert [message["type"] for message in told] == ["completed"]
    assert (told[0]["streamed"], told[0]["chunks"]) == (False, 0)


def test_music_that_was_made_before_is_told_from_its_file(server: Server) -> None:
    with server.open() as connection:
        with taken_up(server, connection, seed=77, prompt="again and again") as (_, singer):
            singer.sing(5).finish()
            first = heard_until(connection, "completed")
        ask(connection, seed=77, prompt="again and again")
        second = heard_until(connection, "completed")
    assert sound_of(second) == sound_of(first) == singer.sound
    assert second[-1]["streamed"]
    assert second[-1]["task_id"] != first[-1]["task_id"]


def test_nobody_gets_in_without_a_key_and_a_browser_comes_with_a_ticket(server: Server) -> None:
    url = f"ws://127.0.0.1:{server.port}"
    with pytest.raises(InvalidStatus) as refused:
        server.open(key=None)
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["error"]["code"] == "UNAUTHORIZED"
    ticket = server.http.post("/tickets", json={"path": "/ws/stream"}).json()
    assert ticket["expires_in_s"] <= 60
    assert server.http.post("/tickets").json()["url"].startswith("/ws/stream?")
    assert server.http.post("/tickets", json={"path": "/tasks"}).status_code == 400
    chunked = {"content": iter([b'{"path": "/api/v1/ws/stream"}']), "headers": {"Content-Type": "application/json"}}
    assert server.http.post("/tickets", **chunked).json()["url"].startswith("/api/v1/ws/stream?")
    with connect(url + ticket["url"], proxy=None) as connection, taken_up(server, connection) as (accepted, singer):
        singer.sing(1).finish()
        heard_until(connection, "completed")
        assert server.http.get(f"/tasks/{accepted['task_id']}").status_code == 200, "it is that account's"
        assert server.http.get(f"/tasks/{accepted['task_id']}", headers={"X-API-Key": STRANGER}).status_code == 404
    elsewhere = ticket["url"].replace("/ws/stream", "/api/v1/ws/stream")
    for wrong in (elsewhere, ticket["url"].replace("expires=", "expires=9"), ticket["url"][:-1]):
        with pytest.raises(InvalidStatus):
            connect(url + wrong, proxy=None)


def test_an_m4a_is_heard_anew_and_not_taken_from_an_equal_earlier_task(server: Server) -> None:
    """Make it anew: of the earlier result only the file is left, which the API does not decode."""
    WorkerRegistry(server.redis, server.settings).announce(replace(TINY, ffmpeg=True))
    with server.open() as connection:
        for _ in range(2):
            with taken_up(server, connection, output_format="m4a", seed=5) as (_, singer):
                singer.sing(1).finish()
                told = heard_until(connection, "completed")
            assert [message["type"] for message in told] == ["audio_chunk", "completed"]


def test_a_page_that_the_operator_does_not_name_opens_nothing(server: Server) -> None:
    def visit(page: str) -> ClientConnection:
        ticket = server.http.post("/tickets").json()["url"]
        return connect(f"ws://127.0.0.1:{server.port}{ticket}", proxy=None, origin=page)

    with visit(PAGE) as connection:
        assert connection.ping().wait(WAIT_S)
    with pytest.raises(InvalidStatus) as refused:
        visit("https://evil.example")
    assert refused.value.response.status_code == 401


def test_limits_and_bytes_are_counted_as_everywhere(server: Server) -> None:
    key, _ = Keys(server.redis).create("counted", Allowance())  # whose minute no other test has begun
    server.http.post("/tickets", headers={"X-API-Key": key})
    with server.open(key=key) as connection, taken_up(server, connection) as (_, singer):
        singer.sing(2).finish()
        heard_until(connection, "completed")
    usage = server.http.get("/usage", headers={"X-API-Key": key}).json()
    assert usage["windows"]["submissions a minute"]["used"] == 1
    assert usage["bandwidth"]["used"] == len(singer.sound)


def test_a_key_is_looked_at_again_for_each_task(server: Server) -> None:
    keys = Keys(server.redis)
    key, record = keys.create("one", Allowance())
    with server.open(key=key) as connection:
        with taken_up(server, connection) as (_, singer):
            singer.sing(1).finish()
            heard_until(connection, "completed")
        keys.disable(record.id)
        connection.send(json.dumps(GENERATE))
        assert heard(connection)["error"]["code"] == "UNAUTHORIZED"
        with pytest.raises(ConnectionClosed) as closed:
            heard(connection)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


def test_a_connection_that_a_ticket_opened_ends_with_the_key_that_the_ticket_was_made_with(server: Server) -> None:
    keys = Keys(server.redis)
    (key, record), (_, other) = (keys.create("browser", Allowance(), "band") for _ in range(2))
    ticket = server.http.post("/tickets", headers={"X-API-Key": key}).json()["url"]
    with connect(f"ws://127.0.0.1:{server.port}{ticket}", proxy=None) as connection:
        keys.disable(other.id)
        with taken_up(server, connection) as (_, singer):
            singer.sing(1).finish()
            heard_until(connection, "completed")
        keys.disable(record.id)
        connection.send(json.dumps(GENERATE))
        assert heard(connection)["error"]["code"] == "UNAUTHORIZED"


def test_an_accounts_limits_are_messages_and_sound_beyond_them_is_not_made(server: Server) -> None:
    chunk = round(2 * CHUNK_S * RATE_HZ)
    key, _ = Keys(server.redis).create("two", Allowance(rpm=1, monthly_bytes=2 * chunk + 1))
    with server.open(key=key) as connection:
        with taken_up(server, connection) as (accepted, singer):
            singer.sing(3)
            told = heard_until(connection, "error")
        assert [message["type"] for message in told] == ["audio_chunk", "audio_chunk", "error"]
        assert told[-1]["error"]["code"] == "RATE_LIMITED"
        assert server.store.reader.get(accepted["task_id"]).status is Status.CANCELLED
        connection.send(json.dumps(GENERATE))
        assert "1 submissions a minute" in heard(connection)["error"]["message"]


def test_a_plain_request_is_told_what_to_do(server: Server) -> None:
    for path in ("/ws/stream", "/api/v1/ws/stream"):
        answer = server.http.get(path)
        assert (answer.status_code, answer.headers["Upgrade"]) == (426, "websocket")
        assert answer.json()["error"]["code"] == "UPGRADE_REQUIRED"
    assert server.http.post("/ws/stream").status_code == 405


def test_too_long_and_too_many_messages_end_the_connection(server: Server) -> None:
    with server.open() as connection:
        connection.send("x" * 70_000)
        with pytest.raises(ConnectionClosed) as closed:
            heard(connection)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
    with server.open() as connection:
        task_id = ask(connection)["task_id"]
        for _ in range(9):
            connection.send(json.dumps(GENERATE))
        with pytest.raises(ConnectionClosed) as closed:
            heard_until(connection, "completed")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    server.wait_for(lambda: server.store.reader.get(task_id).status is Status.CANCELLED, "the task's cancellation")


def test_a_reader_that_does_not_read_is_waited_for_and_then_hears_all(server: Server) -> None:
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    raw.connect(("127.0.0.1", server.port))
    headers = {"X-API-Key": "the-key"}
    url = f"ws://127.0.0.1:{server.port}/ws/stream"
    with connect(url, sock=raw, additional_headers=headers, proxy=None, max_size=None, max_queue=1) as connection:
        accepted = ask(connection, duration=30)
        before = server.used_bytes()
        singer = server.take_up(accepted["task_id"]).sing(320)
        time.sleep(1.0)
        assert server.used_bytes() - before < len(singer.sound)
        singer.finish()
        assert sound_of(heard_until(connection, "completed")) == singer.sound


def test_pings_are_answered(server: Server) -> None:
    with server.open() as connection:
        assert connection.ping(b"there?").wait(WAIT_S)


def test_a_server_that_stops_says_so_and_lets_its_tasks_go_on(server: Server) -> None:
    """The last test of this server."""
    idle = server.open()
    with server.open() as connection, taken_up(server, connection) as (accepted, singer):
        singer.sing(1)
        heard_until(connection, "audio_chunk")
        stream = server.http.stream("GET", f"/tasks/{accepted['task_id']}/stream")
        with stream as answer:
            sound = answer.iter_raw()
            next(sound)
            since = time.monotonic()
            server.program.request_stop()
            for each in (connection, idle):
                with pytest.raises(ConnectionClosed) as closed:
                    heard_until(each, "nothing more")
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1001
            with pytest.raises(httpx.RemoteProtocolError):
                b"".join(sound)
        assert time.monotonic() - since < 5.0
    assert server.store.reader.get(accepted["task_id"]).status is Status.RUNNING
    while server.program.is_running():
        time.sleep(0.05)
    assert time.monotonic() - since < 25.0
