"""GET /tasks/<id>/stream over real connections."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
import soundfile

from shared.jobs.job import Status
from tests.api.streaming.conftest import CHUNK_S, KEY, RATE_HZ, STRANGER, WAIT_S, Server, pcm

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("streams, served")]

HEAD = 44  # bytes of a WAV's


@contextmanager
def listening(server: Server, task_id: str, **query: str) -> Iterator[Iterator[bytes]]:
    with server.http.stream("GET", f"/tasks/{task_id}/stream", params=query) as answer:
        assert answer.status_code == 200, answer.read()
        yield answer.iter_raw()


def take(sound: Iterator[bytes], size: int) -> bytes:
    """Exactly so many bytes: no more may have been sent."""
    got = b""
    while len(got) < size:
        got += next(sound)
    assert len(got) == size
    return got


def decoded(data: bytes) -> np.ndarray:
    samples, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32")
    assert rate_hz == RATE_HZ
    return samples


def test_it_opens_while_the_task_is_queued_and_plays_while_it_is_made(server: Server) -> None:
    task = server.submit(duration=2)
    with listening(server, task["task_id"]) as sound:
        head = take(sound, HEAD)
        assert (head[:4], head[4:8], head[40:44]) == (b"RIFF", b"\xff" * 4, b"\xff" * 4)
        singer = server.take_up(task["task_id"])
        for number in range(3):  # each is here before the next one is made
            singer.sing(1)
            assert take(sound, round(2 * CHUNK_S * RATE_HZ)) == pcm(singer.job.seed, number)
        singer.sing(2)
        with listening(server, task["task_id"]) as late:
            everything = take(late, HEAD + len(singer.sound))
            file = singer.finish()
            assert b"".join(late) == b"", "and a proper end"
        assert b"".join(sound) == singer.sound[3 * round(2 * CHUNK_S * RATE_HZ) :]
    assert everything[HEAD:] == singer.sound == file[HEAD:]


def test_forms_and_batches_may_stream_too(server: Server) -> None:
    form = server.http.post("/tasks", data={"prompt": "x", "stream": "true"}).json()
    items = {"requests": [{"prompt": "a", "stream": True}, {"prompt": "b"}]}
    batch = server.http.post("/tasks/batch", json=items).json()
    assert ["stream_url" in task for task in (form, *batch["tasks"])] == [True, True, False]
    refused = server.http.post("/tasks", json={"prompt": "x", "stream": True, "loudness": -14})
    assert [field["field"] for field in refused.json()["error"]["details"]["fields"]] == ["stream"]
    for task in (form, *batch["tasks"]):
        server.http.delete(f"/tasks/{task['task_id']}")


def test_the_next_request_on_a_connection_is_whole_after_a_stream(server: Server) -> None:
    """An event stream ends its connection, and says so; after sound it goes on."""
    for what, connection in {"stream?format=ogg": "keep-alive", "events": "close"}.items():
        task = server.submit()
        server.take_up(task["task_id"]).sing(1).finish()
        answer = server.http.get(f"/tasks/{task['task_id']}/{what}")
        assert (answer.status_code, answer.headers["Connection"]) == (200, connection)
        server.http.delete(server.submit()["status_url"])


def test_afterwards_the_stored_file_itself_is_served(server: Server) -> None:
    task = server.submit()
    file = server.take_up(task["task_id"]).sing(4).finish()
    answer = server.http.get(f"/tasks/{task['task_id']}/stream")
    assert answer.content == file
    assert int(answer.headers["Content-Length"]) == len(file)
    assert server.http.get(f"/tasks/{task['task_id']}/stream", headers={"Range": "bytes=0-3"}).content == b"RIFF"


@pytest.mark.parametrize(("name", "media_type"), [("mp3", "audio/mpeg"), ("ogg", "audio/ogg")])
def test_mp3_and_ogg_are_made_while_the_sound_comes(server: Server, name: str, media_type: str) -> None:
    task = server.submit(duration=4)
    singer = server.take_up(task["task_id"])
    with server.http.stream("GET", f"/tasks/{task['task_id']}/stream", params={"format": name}) as answer:
        assert answer.headers["Content-Type"] == media_type
        sound = answer.iter_raw()
        singer.sing(8)
        begun = next(sound)
        assert len(begun) > 1000
        singer.sing(8).finish()
        whole = begun + b"".join(sound)
    samples = decoded(whole)
    made = np.frombuffer(singer.sound, "<i2") / 32768
    assert abs(len(samples) - len(made)) < 0.1 * RATE_HZ
    assert np.sqrt((samples**2).mean()) == pytest.approx(np.sqrt((made**2).mean()), rel=0.2)
    again = server.http.get(f"/tasks/{task['task_id']}/stream", params={"format": name}).content
    assert abs(len(again) - len(whole)) < 200, "from the chunks, while they are kept"


def test_a_failed_or_cancelled_task_breaks_off_so_that_nobody_takes_it_for_whole(server: Server) -> None:
    for end in ("fail", "cancel"):
        task = server.submit()
        singer = server.take_up(task["task_id"])
        with listening(server, task["task_id"]) as sound:
            singer.sing(2)
            take(sound, HEAD + len(singer.sound))
            if end == "fail":
                singer.fail(for_good=True)
            else:
                server.http.delete(f"/tasks/{task['task_id']}")
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
                b"".join(sound)
        answer = server.http.get(f"/tasks/{task['task_id']}/stream")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")


def test_a_new_attempt_goes_on_unheard_when_it_makes_the_same_samples(server: Server) -> None:
    task = server.submit(seed=5)
    with listening(server, task["task_id"]) as sound:
        first = server.take_up(task["task_id"]).sing(3)
        got = take(sound, HEAD + len(first.sound))
        first.fail()
        second = server.take_up(task["task_id"])
        assert second.job.attempt == 2
        second.sing(6)
        file = second.finish()
        got += b"".join(sound)
    assert got[HEAD:] == second.sound == file[HEAD:]


def test_a_new_attempt_that_makes_other_samples_is_never_glued_on(server: Server) -> None:
    task = server.submit(seed=5)
    with listening(server, task["task_id"]) as sound:
        first = server.take_up(task["task_id"]).sing(3)
        take(sound, HEAD + len(first.sound))
        first.fail()
        server.take_up(task["task_id"]).sing(6, seed=6).finish()
        with pytest.raises(httpx.RemoteProtocolError):
            b"".join(sound)


def test_what_was_not_submitted_as_a_stream_says_how_to_get_one(server: Server) -> None:
    task_id = server.submit(stream=False)["task_id"]
    refused = server.http.get(f"/tasks/{task_id}/stream")
    assert refused.status_code == 409
    assert '"stream": true' in refused.json()["error"]["message"]
    singer = server.take_up(task_id)
    file = singer.sing(2).finish()
    assert server.http.get(f"/tasks/{task_id}/stream").content == file


def test_once_the_chunks_have_expired_another_format_is_a_409_that_names_the_one_there_is(server: Server) -> None:
    task_id = server.submit()["task_id"]
    file = server.take_up(task_id).sing(2).finish()
    server.redis.delete(f"ostinato:chunks:{task_id}")
    refused = server.http.get(f"/tasks/{task_id}/stream", params={"format": "mp3"})
    assert refused.status_code == 409
    assert "format=wav" in refused.json()["error"]["message"]
    assert server.http.get(f"/tasks/{task_id}/stream", params={"format": "wav"}).content == file


@pytest.mark.parametrize(("name", "code"), [("flac", 400), ("aiff", 400), ("", 400)])
def test_a_format_that_cannot_be_streamed_is_refused_by_name(server: Server, name: str, code: int) -> None:
    task_id = server.submit()["task_id"]
    refused = server.http.get(f"/tasks/{task_id}/stream", params={"format": name})
    assert (refused.status_code, refused.json()["error"]["details"]["fields"][0]["field"]) == (code, "format")
    server.http.delete(f"/tasks/{task_id}")


def test_others_hear_nothing_and_a_signed_link_needs_no_key(server: Server) -> None:
    task = server.submit()
    path = f"/tasks/{task['task_id']}/stream"
    assert server.http.get(path, headers={"X-API-Key": STRANGER}).status_code == 404
    assert httpx.get(f"{server.http.base_url}{path}", trust_env=False).status_code == 401
    assert server.http.get("/tasks/nobody/stream").status_code == 404
    singer = server.take_up(task["task_id"]).sing(2)
    link = f"{str(server.http.base_url).rstrip('/')}{task['stream_url']}&format=wav"
    before = server.used_bytes()
    with httpx.stream("GET", link, trust_env=False, timeout=WAIT_S) as answer:
        sound = answer.iter_raw()
        take(sound, HEAD + len(singer.sound))
        assert server.used_bytes() - before == len(singer.sound), "counted as it is served"
        singer.finish()
        assert b"".join(sound) == b""
    assert "stream_url" not in server.http.get(f"/tasks/{task['task_id']}").json()
    assert httpx.head(link, trust_env=False).status_code == 200


def test_whoever_does_not_read_leaves_the_chunks_in_redis(server: Server) -> None:
    """A connection that takes nothing holds what the sockets' buffers hold, and then the server reads no more."""
    task = server.submit(duration=30)
    singer = server.take_up(task["task_id"]).sing(500)
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", server.port))
    slow.sendall(f"GET /tasks/{task['task_id']}/stream HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n\r\n".encode())
    before = server.used_bytes()
    time.sleep(1.0)
    assert server.used_bytes() - before < len(singer.sound), "it is counted as it is read from Redis"
    singer.finish()
    got = bytearray()
    while not got.endswith(b"0\r\n\r\n"):
        got += slow.recv(1 << 16)
    assert len(got) > len(singer.sound)
    slow.close()


def test_a_listener_who_hangs_up_before_there_is_any_sound_costs_nothing(server: Server) -> None:
    task_id = server.submit()["task_id"]
    ask = f"GET /tasks/{task_id}/stream HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port)) as gone, listening(server, task_id) as stays:
        gone.sendall(ask)
        got = b""
        while b"WAVEfmt " not in got:
            got += gone.recv(1 << 16)
        take(stays, HEAD)
        gone.close()
        line = f'"GET /tasks/{task_id}/stream HTTP/1.1" 200'  # written when the answer is over
        server.wait_for(lambda: line in server.program.log_path.read_text(), "its end")
        time.sleep(1.0)
        singer = server.take_up(task_id).sing(2)
        assert take(stays, len(singer.sound)) == singer.sound, "who listens still does"
        singer.finish()


def test_a_broker_that_is_away_for_a_moment_ends_no_stream(server: Server) -> None:
    task = server.submit()
    singer = server.take_up(task["task_id"])
    with listening(server, task["task_id"]) as sound:
        singer.sing(1)
        got = take(sound, HEAD + len(singer.sound))
        server.broker.kill()
        time.sleep(1.5)
        server.broker.start()
        server.wait_for(lambda: server.redis.ping(), "the broker")
        singer.sing(1).finish()
        got += b"".join(sound)
    assert got[HEAD:] == singer.sound
    assert server.store.reader.get(task["task_id"]).status is Status.COMPLETED


@pytest.mark.slow
def test_a_hundred_listeners_cost_few_commands_and_hear_all_of_it(server: Server) -> None:
    task = server.submit(duration=2)
    singer = server.take_up(task["task_id"])
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    ask = f"GET /tasks/{task['task_id']}/stream HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n\r\n"
    for connection in connections:
        connection.settimeout(WAIT_S)
        connection.sendall(ask.encode())
    begun = [connection.recv(1 << 16) for connection in connections]  # from here on all do nothing but listen
    before = server.redis.info("stats")["total_commands_processed"]
    time.sleep(1.0)
    quiet = server.redis.info("stats")["total_commands_processed"] - before
    assert quiet < 2 * 10 * 3 + 100 + 60, "a look ten times a second for each process, of all listeners together"
    since = time.monotonic()
    assert server.http.get(f"/tasks/{task['task_id']}").status_code == 200
    poll_s = time.monotonic() - since
    singer.sing(8).finish()
    for connection, got in zip(connections, begun, strict=True):
        while not got.endswith(b"0\r\n\r\n"):
            data = connection.recv(1 << 16)
            assert data, "ended early"
            got += data
        assert len(got) > len(singer.sound)
        connection.close()
    print(f"{quiet} commands a second for 100 listeners; a poll beside them {1000 * poll_s:.1f} ms")
    assert poll_s < 1.0
