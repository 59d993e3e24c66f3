"""A network before a server that forgets its connections, as one does while a machine sleeps: nobody is told.

What the server sends on a forgotten connection is lost, and the connection stays open; what the browser sends on it is
answered by its end. New connections are as good as ever.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK_BYTES = 65_536


class ForgetfulNetwork:
    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._forgotten = threading.Event()  # of the connections that are open now
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def forget(self) -> None:
        self._forgotten.set()
        self._forgotten = threading.Event()

    def close(self) -> None:
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                browser, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += (browser, server)
                forgotten = self._forgotten
                threading.Thread(target=_carry, args=(server, browser, forgotten, False), daemon=True).start()
                threading.Thread(target=_carry, args=(browser, server, forgotten, True), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket, forgotten: threading.Event, from_browser: bool) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK_BYTES):
            if not forgotten.is_set():
                target.sendall(data)
            elif from_browser:
                break
    if from_browser or not forgotten.is_set():
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def forgetful_network(port: int) -> Iterator[ForgetfulNetwork]:
    network = ForgetfulNetwork(port)
    try:
        yield network
    finally:
        network.close()
