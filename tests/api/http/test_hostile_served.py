"""The API under gunicorn, by the house's own configuration: hostile bodies at once, and HTTP that is none."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
import requests

from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.api.hostile import JSON, MULTIPART, multipart_of, of_fields
from tests.api.served import Served, SharedApi

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("served")]

GROWTH_BYTES = 64 * 2**20
TIMEOUT_S = 60.0  # the machine may have other work


@pytest.fixture
def settings(shared_settings: Settings) -> Settings:
    return shared_settings


@pytest.fixture
def served(shared_api: SharedApi, client: redis.Redis, settings: Settings) -> Served:
    WorkerRegistry(client, settings).announce(TINY)
    return shared_api.served


@pytest.fixture
def logged(shared_api: SharedApi) -> Callable[[], str]:
    """Return what the server has logged since this test began."""
    path = shared_api.served.program.log_path
    before = path.stat().st_size
    return lambda: path.read_bytes()[before:].decode(errors="replace")


def batch_of(fields: int, name_chars: int) -> bytes:
    names = [f"{n:03d}" + "k" * name_chars for n in range(fields - 1)]
    return json.dumps({"requests": [{"prompt": "x"} | dict.fromkeys(names, 0)] * 100}).encode()


def ten_bodies() -> list[tuple[str, bytes, str, int]]:
    """(path, body, its type, the status of its refusal)."""
    unknown, largest = json.dumps(of_fields(600_000)).encode(), batch_of(100, 580)
    assert 5.5 * 2**20 < len(largest) < 6 * 2**20
    form = multipart_of({f"k{n}": "x" for n in range(50_000)})
    wide = json.dumps({"requests": [{"prompt": "🎵" + "x" * 60_000}] * 100}, ensure_ascii=False).encode()
    return [
        ("/generate-async", unknown, JSON, 413),
        ("/api/v1/generate/batch", unknown, JSON, 413),
        ("/v1/audio/music", unknown[: 2**20], JSON, 400),
        ("/generate/", b"[" * 2**20, JSON, 400),
        ("/v2/tiny/run", b'{"input":' * 100_000, JSON, 400),
        ("/tasks", form, MULTIPART, 400),
        ("/tasks/multi-instrument", json.dumps({"instruments": of_fields(60_000)}).encode(), JSON, 400),
        ("/tasks/batch", largest, JSON, 400),
        ("/api/v1/generate/batch", largest, JSON, 400),
        ("/tasks/batch", wide, JSON, 400),
    ]


def sent_in_chunks(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 1 << 18):
        yield data[at : at + (1 << 18)]


def post(url: str, body: tuple[str, bytes, str, int], *, chunked: bool) -> tuple[int, int]:
    """(the status, the answer's length)."""
    path, data, content_type, _ = body
    sent: Any = sent_in_chunks(data) if chunked else data
    answer = requests.post(url + path, data=sent, headers={"Content-Type": content_type}, timeout=TIMEOUT_S)
    return answer.status_code, len(answer.content)


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
def test_ten_hostile_bodies_at_once_leave_other_callers_served_and_the_memory_small(
    shared_api: SharedApi, served: Served, chunked: bool
) -> None:
    """Both times together, since the server is the same."""
    bodies, stop, others = ten_bodies(), threading.Event(), list[int]()

    def ask_on() -> None:
        with requests.Session() as session:
            while not stop.is_set():
                others.append(session.get(f"{served.url}/health/live", timeout=TIMEOUT_S).status_code)
                posted = session.post(f"{served.url}/tasks", json={"prompt": "x"}, timeout=TIMEOUT_S)
                others.append(posted.status_code)

    asking = threading.Thread(target=ask_on)
    asking.start()
    with ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(lambda body: post(served.url, body, chunked=chunked), bodies))
    stop.set()
    asking.join()
    # a length that is too large is refused unread; without one it is the fields that are counted first
    assert [status for status, _ in answers] == [400 if chunked else status for *_, status in bodies]
    assert max(length for _, length in answers) <= 64 * 1024
    assert others
    assert set(others) <= {200, 202, 429}, "429: a full queue"
    assert served.most_held() - shared_api.held_before <= GROWTH_BYTES


def test_a_client_that_sends_all_before_it_reads_gets_its_refusal(served: Served) -> None:
    """urllib closes its connections: the server must not reset one over what it has not read."""
    data = json.dumps({"prompt": "x" * 8 * 2**20}).encode()
    asked = urllib.request.Request(f"{served.url}/tasks", data, {"Content-Type": JSON})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=TIMEOUT_S)
    with refused.value as answer:
        assert (answer.status, "MAX_JSON_KB" in answer.read().decode()) == (413, True)


def ask(served: Served, request: bytes) -> tuple[int, dict[str, Any]]:
    """(the status, the JSON) of whatever comes back until the connection ends."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(request)
        answer = b""
        while block := connection.recv(65536):
            answer += block
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/json" in head, answer
    return int(head.split(b" ", 2)[1]), json.loads(body)


CHUNKED = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_what_is_no_http_is_refused_in_json_and_the_log_has_no_traceback(
    served: Served, logged: Callable[[], str]
) -> None:
    for chunks in (
        b"zz\r\n{}\r\n0\r\n\r\n",
        b"5\r\n{}\r\n0\r\n\r\n",
        b"-1\r\n\r\n",
        b"\r\n\r\n",
        b"2;a=\x00\r\n{}\r\n\r\n",
    ):
        for path, key in (("/tasks", "error"), ("/v1/audio/music", "message"), ("/generate/", "detail")):
            status, told = ask(served, CHUNKED.format(path).encode() + chunks)
            words = told[key]["message"] if path == "/tasks" else told[key]
            assert (status, "chunks are broken" in words) == (400, True), told
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    many = b"".join(b"X-%d: a\r\n" % n for n in range(500))
    for request, status, code in (
        (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "ADDRESS_TOO_LONG"),
        (b"GET /tasks?" + b"&a=b" * 2000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "ADDRESS_TOO_LONG"),
        (head + many + b"\r\n", 431, "HEADERS_TOO_LARGE"),
        (head + b"X: " + b"a" * 100_000 + b"\r\n\r\n", 431, "HEADERS_TOO_LARGE"),
        (b"\x16\x03\x01 no TLS here\r\n\r\n", 400, "BAD_REQUEST"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "BAD_REQUEST"),
        (head + b"bad header\r\n\r\n", 400, "BAD_REQUEST"),
    ):
        found, told = ask(served, request)
        assert (found, told["error"]["code"]) == (status, code), told
        assert told["error"]["message"]
    assert requests.get(f"{served.url}/health/live", timeout=TIMEOUT_S).status_code == 200
    assert "Traceback" not in logged()


def test_a_client_that_leaves_within_a_chunk_costs_no_traceback(served: Served, logged: Callable[[], str]) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(CHUNKED.format("/tasks").encode() + b"ff\r\n{")
        connection.shutdown(socket.SHUT_WR)
        assert b" 400 " in connection.recv(65536).partition(b"\r\n")[0]
    assert "Traceback" not in logged()
