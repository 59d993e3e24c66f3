"""Run a real webhook receiver on the loopback address, which answers as a test wants it and remembers what came."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stack.ports import LOOPBACK


@dataclass(frozen=True)
class Seen:
    """Hold one request, as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


Behaviour = Callable[["Handler", int], None]  # the number: how many requests came to this path before


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.lock:
            before = len(self.server.seen[self.path])
            self.server.seen[self.path].append(Seen(self.path, headers, body, time.time()))
        with suppress(OSError):  # a sender that gives up closes the connection
            self.server.behaviours.get(self.path, answer(200))(self, before)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), Handler)
        self.lock = threading.Lock()
        self.seen: defaultdict[str, list[Seen]] = defaultdict(list)
        self.behaviours: dict[str, Behaviour] = {}
        self.scheme = "http"

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str, behaviour: Behaviour | None = None, host: str = LOOPBACK) -> str:
        """Return the address of that path, which from now on answers so."""
        if behaviour is not None:
            self.behaviours[path] = behaviour
        return f"{self.scheme}://{host}:{self.port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass


def answer(*statuses: int, **headers: str) -> Behaviour:
    """Answer with these statuses one after the other, the last one for good. `Retry_After="3"` sends that header."""

    def respond(handler: Handler, before: int) -> None:
        handler.send_response(statuses[min(before, len(statuses) - 1)])
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return respond


def hold(seconds: float) -> Behaviour:
    """Take the request, and answer it only then."""

    def respond(handler: Handler, before: int) -> None:
        time.sleep(seconds)
        answer(200)(handler, before)

    return respond


def drip(start: bytes, every_s: float = 0.05) -> Behaviour:
    """Send this, and then a byte now and then for ever."""

    def respond(handler: Handler, before: int) -> None:
        handler.wfile.write(start)
        while True:
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(every_s)

    return respond


@contextmanager
def receiver(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server()
    if tls is not None:
        server.scheme = "https"
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
