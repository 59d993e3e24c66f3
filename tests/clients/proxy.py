"""Stand before the real server, and do to chosen calls what networks do. Real sockets on loopback."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

HOP_BY_HOP = {"host", "connection", "transfer-encoding", "content-length", "keep-alive", "content-encoding"}


@dataclass(frozen=True)
class Fault:
    """Say what happens to the next call whose path has `path` in it.

    It is passed on and its answer lost (`lose`), answered with `status` instead, led to another address, or its stream
    is cut in the middle of an event, when more than `cut_after` have come, or after `cut_at_bytes`.
    """

    lose: bool = False
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    cut_after: int = 0
    cut_at_bytes: int = 0
    path: str = ""


@dataclass
class Proxy:
    target: str
    url: str = ""
    faults: deque[Fault] = field(default_factory=deque)  # of the next calls; when there are none, all goes well
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)  # method, path, headers


@contextmanager
def proxy_before(target: str) -> Iterator[Proxy]:
    proxy = Proxy(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def handle_one_request(self) -> None:
            with suppress(BrokenPipeError, ConnectionResetError):
                super().handle_one_request()

        def do_any(self) -> None:
            proxy.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            due = proxy.faults and proxy.faults[0].path in self.path
            fault = proxy.faults.popleft() if due else Fault()
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if fault.status:
                self._answer(fault.status, dict(fault.headers), fault.body)
            else:
                self._pass_on(body, fault)

        do_GET = do_POST = do_DELETE = do_any  # noqa: N815

        def _pass_on(self, body: bytes, fault: Fault) -> None:
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")
            }
            with (
                httpx.Client(trust_env=False, timeout=30) as http,
                http.stream(self.command, proxy.target + self.path, content=body, headers=headers) as answer,
            ):
                if fault.lose:
                    answer.read()
                    self._drop()
                    return
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.end_headers()
                self._copy(answer, fault)

        def _copy(self, answer: httpx.Response, fault: Fault) -> None:
            sent = b""
            for chunk in answer.iter_bytes():
                sent += chunk
                if fault.cut_at_bytes and len(sent) > fault.cut_at_bytes:
                    self.wfile.write(chunk[: len(chunk) - (len(sent) - fault.cut_at_bytes)])
                    self._drop()
                    return
                if fault.cut_after and sent.count(b"\nevent: ") + sent.startswith(b"event: ") > fault.cut_after:
                    cut = sent.find(b"data: ", [i for i in range(len(sent)) if sent.startswith(b"\nevent: ", i)][-1])
                    self.wfile.write(chunk[: len(chunk) - (len(sent) - cut) + 9])
                    self._drop()
                    return
                self.wfile.write(chunk)
                self.wfile.flush()

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _drop(self) -> None:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
