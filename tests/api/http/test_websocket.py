"""One WebSocket over a pair of sockets: what a peer may do without the server's memory or connections paying for it."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

import api.http.websocket
from api.http.websocket import MESSAGE_BYTES, Closed, WebSocket

CONTINUATION, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10


class Peer:
    """A browser's end, frame by frame."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(20.0)
        self.connection = connection
        self._got = b""

    def send(self, opcode: int, data: bytes = b"", *, last: bool = True, times: int = 1) -> None:
        """Masked with zeros, as only a peer may that hides nothing."""
        short = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xFE]) + struct.pack(">H", len(data))
        self.connection.sendall((bytes([0x80 * last | opcode]) + short + bytes(4) + data) * times)

    def next_frame(self) -> tuple[int, bytes]:
        head = self._take(2)
        assert head[1] < 126, "no test hears more"
        return head[0] & 15, self._take(head[1])

    def close_code(self) -> int:
        """Of the server's good-bye; pings before it are left out."""
        while (frame := self.next_frame())[0] == PING:
            pass
        assert frame[0] == CLOSE
        return int.from_bytes(frame[1][:2], "big")

    def skip_handshake(self) -> None:
        while b"\r\n\r\n" not in self._got:
            self._got += self.connection.recv(1 << 16)
        self._got = self._got.partition(b"\r\n\r\n")[2]

    def _take(self, size: int) -> bytes:
        while len(self._got) < size:
            data = self.connection.recv(1 << 16)
            assert data, "the server hung up without a word"
            self._got += data
        taken, self._got = self._got[:size], self._got[size:]
        return taken


@pytest.fixture
def pair() -> Iterator[tuple[WebSocket, Peer]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        opened = WebSocket({"gunicorn.socket": ours, "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ=="})
        peer = Peer(theirs)
        peer.skip_handshake()
        yield opened, peer
        opened._end()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.http.websocket, "PING_EVERY_S", 0.2)
    monkeypatch.setattr(api.http.websocket, "SILENT_S", 0.9)


@pytest.mark.usefixtures("impatient")
def test_a_peer_that_answers_no_ping_is_hung_up_on(request: pytest.FixtureRequest) -> None:
    opened, peer = request.getfixturevalue("pair")
    since = time.monotonic()
    assert peer.next_frame()[0] == PING
    assert peer.close_code() == 1008
    assert time.monotonic() - since > 0.8
    with pytest.raises(Closed):
        opened.receive(1.0)


@pytest.mark.usefixtures("impatient")
def test_a_peer_that_answers_pings_may_be_silent_for_long(request: pytest.FixtureRequest) -> None:
    opened, peer = request.getfixturevalue("pair")
    since = time.monotonic()
    while time.monotonic() - since < 1.2:
        assert peer.next_frame()[0] == PING
        peer.send(PONG)
    assert opened.open


@pytest.mark.usefixtures("impatient")
def test_a_peer_that_takes_a_little_now_and_then_is_waited_for(request: pytest.FixtureRequest) -> None:
    opened, peer = request.getfixturevalue("pair")
    sent = threading.Event()

    def send() -> None:
        opened.send("x" * (1 << 21))
        sent.set()

    threading.Thread(target=send, daemon=True).start()
    got = 0
    while not sent.is_set():
        time.sleep(0.1)
        got += sum(len(peer.connection.recv(1 << 15)) for _ in range(6))
    assert got > 1 << 20, "it took longer than a silent peer is given"


def test_a_message_may_come_in_pieces_with_pings_between(pair: tuple[WebSocket, Peer]) -> None:
    opened, peer = pair
    whole = "é" * 20_000
    peer.send(TEXT, whole.encode()[:10_001], last=False)
    peer.send(PING, b"there?")
    peer.send(CONTINUATION, whole.encode()[10_001:])
    assert opened.receive(2.0) == whole
    assert peer.next_frame() == (PONG, b"there?")
    peer.send(TEXT)
    assert opened.receive(2.0) == ""


def test_pieces_without_data_cost_no_memory_however_many_come(pair: tuple[WebSocket, Peer]) -> None:
    opened, peer = pair
    peer.send(TEXT, b"one", last=False)
    peer.send(CONTINUATION, last=False, times=5_000)
    peer.send(CONTINUATION, b"two")
    assert opened.receive(10.0) == "onetwo"
    peer.send(TEXT, last=False)
    peer.send(CONTINUATION, last=False, times=5_000)
    peer.send(PING)
    assert peer.next_frame()[0] == PONG
    assert len(opened._partial) <= 1


def test_a_message_is_measured_in_bytes(pair: tuple[WebSocket, Peer]) -> None:
    _, peer = pair
    half = "é".encode() * (MESSAGE_BYTES // 4)
    peer.send(TEXT, half, last=False)
    peer.send(CONTINUATION, half, last=False)
    peer.send(CONTINUATION, b"!")
    assert peer.close_code() == 1009


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (bytes([0x81, 1, 65]), 1002),  # not masked
        (bytes([0x83, 0x80, 0, 0, 0, 0]), 1002),  # an opcode that there is not
        (bytes([0x09, 0x80, 0, 0, 0, 0]), 1002),  # a ping in pieces
        (bytes([0x80, 0x80, 0, 0, 0, 0]), 1002),  # goes on with nothing
        (bytes([0x81, 0x81, 0, 0, 0, 0, 0xFF]), 1007),  # no UTF-8
        (bytes([0x88, 0x80, 0, 0, 0, 0]), 1005),  # closed without a code: and so is its answer
        (bytes([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8]), 1000),
    ],
)
def test_faults_and_good_byes_are_answered_by_their_codes(
    pair: tuple[WebSocket, Peer], frame: bytes, code: int
) -> None:
    opened, peer = pair
    peer.connection.sendall(frame)
    answered = peer.next_frame()
    assert answered[0] == CLOSE
    assert (int.from_bytes(answered[1][:2], "big") or 1005) == code
    with pytest.raises(Closed):
        opened.receive(2.0)
    assert peer.connection.recv(10) == b"", "and the connection ends"


def test_a_fault_of_our_own_in_reading_ends_the_connection_and_leaves_nobody_waiting(
    pair: tuple[WebSocket, Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, peer = pair
    monkeypatch.setattr(opened, "_collect", lambda event: {}["nobody foresaw this"])
    peer.send(TEXT, b"hello")
    with pytest.raises(Closed):
        opened.receive(20.0)
    assert peer.connection.recv(10) == b"", "and the peer is told"
