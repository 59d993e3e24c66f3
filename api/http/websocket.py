"""Serve one WebSocket on gunicorn's connection, complete messages of text in and out.

Bounded in all directions: how long a message is, how many may wait, how long a peer may be silent or not read. `send`
waits for a slow reader, so that nothing piles up here. Knows no message's meaning.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError

log = logging.getLogger(__name__)

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
MESSAGE_BYTES = 64 * 1024
MESSAGES_WAITING = 8
PING_EVERY_S = 20.0
SILENT_S = 60.0  # without a sign of life
GOODBYE_S = 1.0  # how long the peer's part of closing is waited for
READ_BYTES = 16 * 1024


class Closed(Exception):
    """Say that the connection is over, whoever ended it."""


def wants_upgrade(environ: Mapping[str, Any]) -> bool:
    """Return whether that request opens a WebSocket."""
    words = {word.strip().lower() for word in environ.get("HTTP_CONNECTION", "").split(",")}
    return (
        "upgrade" in words
        and environ.get("HTTP_UPGRADE", "").lower() == "websocket"
        and environ.get("HTTP_SEC_WEBSOCKET_VERSION") == "13"
        and bool(environ.get("HTTP_SEC_WEBSOCKET_KEY"))
    )


class WebSocket:
    """Speak over one connection: `send`, `receive` and `close` are for one thread; another one reads what comes."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._socket: socket.socket = environ["gunicorn.socket"]
        self._frames = Connection(ConnectionType.SERVER)
        self._writing = threading.Lock()
        self._arrived = threading.Condition()
        self._messages: deque[str | bytes] = deque()
        self._partial: list[str | bytes] = []
        self._partial_bytes = 0
        self._alive_at = time.monotonic()
        self._open = True
        self._over = threading.Event()  # nothing more is read
        self._socket.settimeout(PING_EVERY_S)
        self._write(_handshake(environ["HTTP_SEC_WEBSOCKET_KEY"]))
        self._reader = threading.Thread(target=self._read_all, name="websocket", daemon=True)
        self._reader.start()

    @property
    def open(self) -> bool:
        return self._open

    def send(self, text: str) -> None:
        """Send a message, and wait until the peer has taken it, or nearly. Raises Closed."""
        with self._writing:
            self._expect_open()
            self._write(self._frames.send(Message(text)))
            self._alive_at = time.monotonic()

    def receive(self, timeout_s: float) -> str | bytes | None:
        """Return the next message; None after the timeout. Raises Closed, once all messages are taken."""
        with self._arrived:
            if not self._messages:
                self._expect_open()
                self._arrived.wait(timeout_s)
            if self._messages:
                return self._messages.popleft()
        self._expect_open()
        return None

    def close(self, code: int = CloseReason.NORMAL_CLOSURE, reason: str = "") -> None:
        """Say good-bye, if it is still open, and let the peer say it too."""
        if self._open:
            self._reply(CloseConnection(code, reason))
            self._leave()
            if threading.current_thread() is not self._reader:
                self._over.wait(GOODBYE_S)
        self._end()

    def _expect_open(self) -> None:
        if not self._open:
            raise Closed

    def _write(self, data: bytes) -> None:
        """Write all of it. As long as the peer takes some now and then it may be slow. Raises Closed."""
        left, taken_at = memoryview(data), time.monotonic()
        while left:
            try:
                left, taken_at = left[self._socket.send(left) :], time.monotonic()
            except TimeoutError:
                if time.monotonic() - taken_at > SILENT_S:
                    self._end()
            except OSError:
                self._end()
            if left:
                self._expect_open()

    def _read_all(self) -> None:
        """Read until the connection is over, and end it however that comes: nobody waits for what will not be read."""
        try:
            while self._read():
                pass
        except Exception:
            log.exception("a WebSocket's reader failed, and its connection ends")
        finally:
            self._end()
            self._over.set()

    def _read(self) -> bool:
        """Handle what comes next; return whether more may come."""
        try:
            data = self._socket.recv(READ_BYTES)
        except TimeoutError:
            if self._open:
                self._ping()
            return self._open
        except OSError:
            return False
        if not data:
            return False
        self._alive_at = time.monotonic()
        try:
            self._take(data)
        except (Closed, LocalProtocolError):
            return False
        return True

    def _ping(self) -> None:
        """Ping a quiet peer. That a ping gets out says nothing: the system takes it, also for one that is gone."""
        if self._writing.locked():  # what is being sent shows whether it lives
            return
        if time.monotonic() - self._alive_at > SILENT_S:
            self.close(CloseReason.POLICY_VIOLATION, "no sign of life")
        else:
            self._reply(Ping())

    def _take(self, data: bytes) -> None:
        """Handle the frames of what arrived. Raises Closed."""
        self._frames.receive_data(data)
        for event in self._frames.events():
            match event:
                case Ping():
                    self._reply(event.response())
                case CloseConnection():
                    self._leave()
                    self._reply(event.response())
                    raise Closed
                case TextMessage() | BytesMessage():
                    self._collect(event)
                case Pong():
                    pass

    def _reply(self, event: Ping | Pong | CloseConnection) -> None:
        """Send a control frame, unless the peer, which does not read, keeps what is being sent from getting out."""
        if self._writing.acquire(timeout=GOODBYE_S):
            try:
                with suppress(Closed, LocalProtocolError):
                    self._write(self._frames.send(event))
            finally:
                self._writing.release()

    def _collect(self, event: TextMessage | BytesMessage) -> None:
        """Join a message's frames, and queue it when it is complete. Raises Closed when there is too much of it."""
        data = event.data if isinstance(event.data, str) else bytes(event.data)
        if data or not self._partial:  # frames without any data may come without end
            self._partial.append(data)
        self._partial_bytes += len(data.encode() if isinstance(data, str) else data)
        if self._partial_bytes > MESSAGE_BYTES:
            self.close(CloseReason.MESSAGE_TOO_BIG, f"a message may have {MESSAGE_BYTES} bytes")
            raise Closed
        if not event.message_finished or not self._open:
            return
        message = _joined(self._partial)
        self._partial, self._partial_bytes = [], 0
        if len(self._messages) >= MESSAGES_WAITING:
            self.close(CloseReason.POLICY_VIOLATION, f"{MESSAGES_WAITING} messages wait already; send one at a time")
            raise Closed
        with self._arrived:
            self._messages.append(message)
            self._arrived.notify()

    def _leave(self) -> None:
        with self._arrived:
            self._open = False
            self._arrived.notify()

    def _end(self) -> None:
        self._leave()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def _joined(parts: list[str | bytes]) -> str | bytes:
    """Join a message's frames, which are of one kind: wsproto sees to that."""
    if isinstance(parts[0], str):
        return "".join(part for part in parts if isinstance(part, str))
    return b"".join(part for part in parts if isinstance(part, bytes))


def _handshake(key: str) -> bytes:
    accept = base64.b64encode(hashlib.sha1(key.encode("latin-1") + GUID).digest()).decode()
    lines = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")
    return "\r\n".join((*lines, f"Sec-WebSocket-Accept: {accept}", "", "")).encode()
